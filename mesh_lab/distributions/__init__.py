"""Distributions of times: how long work takes, how far apart arrivals are.

`Distribution` says what they share (mean, scv, draws, CDF, Laplace transform).  The families are
in `standard` (constant to gamma), `heavy` (rare long values), `mixed` (several kinds of request)
and `measured` (values or histograms from a real system).  All are declared parts: frozen,
comparable, checked when made.  Times are seconds.
"""

from __future__ import annotations

from .base import Distribution
from .heavy import BoundedPareto, LogNormal, Weibull
from .measured import Empirical, Histogram
from .mixed import HyperExponential, Mixture
from .standard import Deterministic, Erlang, Exponential, Gamma, Uniform

__all__ = [
    "BoundedPareto",
    "Deterministic",
    "Distribution",
    "Empirical",
    "Erlang",
    "Exponential",
    "Gamma",
    "Histogram",
    "HyperExponential",
    "LogNormal",
    "Mixture",
    "Uniform",
    "Weibull",
]
