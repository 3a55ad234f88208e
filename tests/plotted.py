"""Runs that the tests of plots draw, and what they read from the artists."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

import mesh_lab as ml

MS = 1e3


def mm1(requests: int, seed: int, warmup: float = 0.0, **fields: object) -> ml.Run:
    """Run one server at 80 % load."""
    service = ml.Service("orders", service_time=ml.Exponential(mean=0.02), **fields)
    scenario = ml.Scenario(ml.Poisson("shop", rate=40.0, to="orders"), service)
    return ml.simulate(scenario, requests=requests, seed=seed, warmup=warmup)


def every(seconds: float, to: str) -> ml.Renewal:
    """Return a source with equal gaps."""
    return ml.Renewal("tick", gap=ml.Deterministic(value=seconds), to=to)


SHORT = mm1(500, 1)
LONG = mm1(20_000, 1)
TURNED_AWAY = mm1(5_000, 1, warmup=20.0, capacity=3)


def line_of(ax: Axes, label: str) -> Line2D:
    """Return the one line with this label."""
    (found,) = (line for line in ax.lines if line.get_label() == label)
    return found


def data(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    """Return what a line goes through."""
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
