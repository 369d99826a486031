"""The benchmarks: `python -m helios bench`. What each measures is in its module's docstring."""
