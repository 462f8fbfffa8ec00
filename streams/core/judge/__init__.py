"""Judge: what the numbers allow to be said, at any moment, with known error rates."""
