"""How long an append takes here: measured, to stand in a model in the place of a guess."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..events import Event
from .names import stream_name
from .reading import whole

if TYPE_CHECKING:
    from .eventstore import EventStore

__all__ = ["measure_appends"]


def measure_appends(store: EventStore, count: int, at_once: int, stream: str) -> tuple[float, ...]:
    """Return the seconds of appends; see `EventStore.measure_appends`."""
    whole("count", count, 1)
    whole("at_once", at_once, 1)
    begun = store.version(stream_name(stream))
    took = []
    for number in range(count + 1):
        events = [
            Event(
                id=f"{begun + number * at_once + place}",
                source="/mesh_lab/store",
                type="measured",
                data={"append": number, "event": place},
            )
            for place in range(at_once)
        ]
        before = time.perf_counter()
        store.append(stream, events)
        took.append(time.perf_counter() - before)
    return tuple(took[1:])
