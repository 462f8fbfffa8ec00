"""Detectors that see every value of a signal as it comes: the eight of the package river, behind one protocol."""
