"""Salts of the numbers of requests that several programs draw."""

EMITTED = "emitted"
"""Where services sample what they emit."""
