"""What `python -m helios doctor` looks at. Each check says what it found, in words, and what to do about it."""
