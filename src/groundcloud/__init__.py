"""Groundcloud: a serverless cloud that runs on machines its users own."""

__version__ = "0.1.0"
