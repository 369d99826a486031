"""What an examiner asks of a conversation: how each turn was decided, and whether the records agree."""
