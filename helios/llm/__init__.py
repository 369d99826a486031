"""The models that write answers: one small interface, several providers behind it."""
