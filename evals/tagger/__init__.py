"""Trains the tagger of names and places: `make train`. Needs the development packages; what it makes needs numpy."""
