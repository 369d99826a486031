"""What a person may ask of their data, and what stands against it."""
