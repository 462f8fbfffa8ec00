"""Detect: what changed, since when, where and how much, at a rate of false alarms that was asked for."""
