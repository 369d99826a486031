"""How well intents and languages are told, on public sets and beside plain models in the same run."""
