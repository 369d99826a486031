"""Deterministic detectors: secrets, personal data, situations, injection and checks of what is about to be said.

Everything here is a pure function of its arguments and of the YAML tables beside the code. Nothing in this package
talks to a network, a database or a model, so the API process may import it.
"""
