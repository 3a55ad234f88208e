"""Services that call each other, compiled: the same rows as `mesh_lab.mesh` gives on SimPy."""

from __future__ import annotations
