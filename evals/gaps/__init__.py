"""How well questions that ask the same come together."""
