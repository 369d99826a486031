"""The semantic cache: a remote model's answer is given again to whoever asks the same. See docs/semantic-cache.md."""
