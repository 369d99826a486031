"""Intents that a tenant trains: examples, training, versions, and the model that a turn uses."""
