"""Generated drafts that say what must not be said, to see whether any would leave."""
