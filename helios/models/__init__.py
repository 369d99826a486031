"""Local models, run in process: the text encoder, language identification and the intent classifier."""
