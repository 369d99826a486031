"""Suites of a tenant's own: what its assistant must answer, held against what is published and against a draft."""
