"""What the comparisons of quick engines for events with the reference share."""

from __future__ import annotations

import mesh_lab as ml
from tests.scenarios import Case

__all__ = ["reference"]


def reference(case: Case) -> ml.Run | None:
    """Return the run of the reference; None for one that ends in a deadlock."""
    try:
        return ml.simulate(
            case.scenario,
            seed=case.seed,
            requests=case.requests,
            until=case.until,
            engine="reference",
        )
    except ml.Deadlock:
        return None
