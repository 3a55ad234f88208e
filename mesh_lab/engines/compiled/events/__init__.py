"""The compiled engine for events: a partitioned log with its groups, a queue with its consumers.

`mesh_lab.engines.compiled.events.choosing` says what it cannot run, and runs the rest.
"""
