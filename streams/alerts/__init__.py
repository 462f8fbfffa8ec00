"""Delivery: brings alerts to the people and programs that should know, at least once, and records what came of it."""
