"""Backups of an embedded stack, and what has to be done after any restore before customers are let in again."""
