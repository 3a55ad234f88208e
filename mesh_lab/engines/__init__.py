"""Engines: what runs a scenario.  The reference engine is SimPy."""
