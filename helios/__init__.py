"""What all processes stand on."""

VERSION = "0.1.0"
"""The release, as pyproject.toml has it."""
