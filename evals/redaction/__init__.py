"""Personal data found in public sets: ours beside stock Presidio and the patterns of a first afternoon."""
