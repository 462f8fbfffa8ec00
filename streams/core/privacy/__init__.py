"""Privacy: what becomes of each field of an event before it is stored, and of the names of units."""
