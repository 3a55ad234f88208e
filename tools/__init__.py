"""The project's own tools: set-up, the notebook guard, regeneration, the solved course.

Nothing in `mesh_lab` imports them.  ``python tools/lab.py`` is the only entry a user needs.
"""
