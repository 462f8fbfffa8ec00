"""Telemetry pipeline: how good each model in production is, continuously and with known error rates."""
