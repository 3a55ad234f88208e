"""What tests of messaging share: small scenarios at whole times, and rows as plain tuples."""

from __future__ import annotations

import math
from typing import Any

import mesh_lab as ml

SHOWN = ("number", "subscriber", "attempt", "sent", "delivered", "finished", "acked", "outcome")


def ticks(to: Any = "orders", every: float = 1.0, **fields: Any) -> ml.Renewal:
    """A source with an arrival every so many seconds."""
    return ml.Renewal("shop", gap=ml.Deterministic(value=every), to=to, **fields)


def takes(seconds: float) -> ml.Deterministic:
    """Work that always takes so long."""
    return ml.Deterministic(value=seconds)


def table(run: ml.Run, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of deliveries, with None for what never came."""
    run.check_invariants()
    chosen = run.deliveries[list(columns or SHOWN)].astype(object)
    return [tuple(map(plain, row)) for row in chosen.itertuples(index=False)]


def plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 9)
    return value


def report(run: ml.Run, subscriber: str) -> dict[str, int]:
    """What became of a subscriber's events: only what is not 0."""
    row = run.delivery_report().loc[subscriber]
    return {name: int(n) for name, n in row.items() if n}
