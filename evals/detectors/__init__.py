"""How the trained detectors of injection and of situations come about: examples, training, measurement."""
