"""Longer checks against theory and against an independent event loop (`make validate`)."""
