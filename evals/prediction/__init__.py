"""What `python -m helios predict` runs: the product's components over rows of a file, without a running stack."""
