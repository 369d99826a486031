"""What the checks cost: CPU time of one thread, so that a busy machine measures what an idle one does."""
