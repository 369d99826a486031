"""Rules that a tenant may change, in versions that a second person publishes: policies and redaction rules."""
