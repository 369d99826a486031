"""The audit log as a Merkle tree: sealed beside the work, signed, anchored outside of the database, verifiable."""
