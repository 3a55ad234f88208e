"""What a run says of its events: which were lost, handled more than once, or out of order.

Every event that was meant for a subscriber is in exactly one of these states:

- `once`, `doubled`: handled with effect once, or more often;
- `dead`: moved to the dead letters (and not handled before or since);
- `moved`: taken out of this queue by a redrive;
- `refused`: not stored, and the publisher was told (the queue was full, the broker down);
- `in_flight`: it is still there, visible or not, or in somebody's hands;
- `lost`: none of these; nobody will ever handle it.

Order is judged by key, or, where events have no key, by source: an event is out of order when a
later one of its key had its first effect before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ScenarioError
from . import deliveries as say
from .deliveries import OUTCOMES, REASONS, DeliveryColumns
from .laws import hidden

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Events", "doubled", "events_of", "lost", "reordered", "report"]

_STATES = ("once", "doubled", "lost", "dead", "moved", "refused", "in_flight")

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Events(NamedTuple):
    """The events of one subscriber, in the order in which they were published.

    Attributes
    ----------
    rows : array of int
        The rows of the subscriber.
    of : array of int
        The event of each of these rows.
    first, last : array of int
        The first and the last row of each event.
    effects : array of int
        How often each was handled with effect.
    """

    rows: Ints
    of: Ints
    first: Ints
    last: Ints
    effects: Ints


def events_of(c: DeliveryColumns, subscriber: int) -> Events:
    """Return the events of one subscriber, by its index."""
    rows = np.flatnonzero(c.subscriber == subscriber)
    numbers = c.number[rows]
    names = c.source[rows] * (numbers.max(initial=0) + 1) + numbers
    _, first, of = np.unique(names, return_index=True, return_inverse=True)
    published = np.lexsort((first, c.sent[rows][first]))  # not by name
    rank = np.empty(len(first), dtype=np.int64)
    rank[published] = np.arange(len(first))
    of, first = rank[of], first[published]
    last = np.zeros(len(first), dtype=np.int64)
    last[of] = rows  # of equal indices, NumPy keeps the last assignment
    effects = np.bincount(of, weights=c.effect[rows] >= 0, minlength=len(first)).astype(np.int64)
    return Events(rows, of, rows[first], last, effects)


class _States(NamedTuple):
    once: Bools
    doubled: Bools
    dead: Bools
    moved: Bools
    refused: Bools
    in_flight: Bools
    lost: Bools


def _states(c: DeliveryColumns, e: Events) -> _States:
    none = e.effects == 0

    def any_of(found: Bools) -> Bools:
        return np.bincount(e.of, weights=found, minlength=len(e.first)) > 0

    def has(*outcomes: int) -> Bools:
        return any_of(np.isin(c.outcome[e.rows], outcomes))

    left = none
    flying = left & (has(say.IN_FLIGHT) | any_of(hidden(c, e.rows)))
    left = left & ~flying
    dead = left & has(say.DEAD_LETTERED)
    left = left & ~dead
    moved = left & has(say.REDRIVEN)
    left = left & ~moved
    refused = left & has(say.REJECTED, say.UNAVAILABLE) & ~has(say.LOST, say.EXPIRED)
    return _States(e.effects == 1, e.effects > 1, dead, moved, refused, flying, left & ~refused)


def _late(c: DeliveryColumns, e: Events) -> Bools:
    """Whether each event had its first effect after a later one of its key had."""
    done = e.rows[c.effect[e.rows] >= 0]
    of = e.of[c.effect[e.rows] >= 0]
    effect = np.full(len(e.first), np.iinfo(np.int64).max)
    np.minimum.at(effect, of, c.effect[done])
    late = np.zeros(len(e.first), dtype=bool)
    happened = np.flatnonzero(e.effects > 0)
    key, source = c.key[e.first], c.source[e.first]
    group = np.where(key >= 0, key, -1 - source)  # keys from 0 up, sources from -1 down
    earliest: dict[int, int] = {}  # of what was published later, by group
    for event in happened[::-1]:
        g = int(group[event])
        mine = int(effect[event])
        late[event] = earliest.get(g, mine) < mine
        earliest[g] = min(earliest.get(g, mine), mine)
    return late


def report(c: DeliveryColumns) -> pd.DataFrame:
    """Return what became of the events of each subscriber.

    Returns
    -------
    DataFrame
        Index `subscriber`.  `published`: how many events were meant for it; `delivered`: how many
        deliveries reached a consumer; then how many events are `once`, `doubled`, `lost`, `dead`,
        `moved`, `refused` and `in_flight` (they add up to `published`), and how many were handled
        `out_of_order`.
    """
    import pandas as pd

    rows = []
    for number in range(len(c.subscribers)):
        e = events_of(c, number)
        s = _states(c, e)
        rows.append(
            {
                "published": len(e.first),
                "delivered": int(np.count_nonzero(~np.isnan(c.delivered[e.rows]))),
                **{name: int(np.count_nonzero(getattr(s, name))) for name in _STATES},
                "out_of_order": int(np.count_nonzero(_late(c, e))),
            }
        )
    return pd.DataFrame(
        rows,
        index=pd.Index(list(c.subscribers), name="subscriber"),
        columns=["published", "delivered", *_STATES, "out_of_order"],
    )


def lost(c: DeliveryColumns, name: str) -> pd.DataFrame:
    """Return the events that will never be handled: who, when published, and why."""
    import pandas as pd

    e = events_of(c, _number(c, name))
    which = _states(c, e).lost
    last = e.last[which]
    reason = [REASONS[c.reason[row]] or OUTCOMES[c.outcome[row]] for row in last]
    return pd.DataFrame({**_who(c, e, which), "reason": pd.Series(reason, dtype=object)})


def doubled(c: DeliveryColumns, name: str) -> pd.DataFrame:
    """Return the events that were handled more than once: who, when published, how often."""
    import pandas as pd

    e = events_of(c, _number(c, name))
    which = e.effects > 1
    return pd.DataFrame({**_who(c, e, which), "times": e.effects[which]})


def reordered(c: DeliveryColumns, name: str) -> pd.DataFrame:
    """Return the events that were handled after a later one of their key, as published."""
    import pandas as pd

    e = events_of(c, _number(c, name))
    return pd.DataFrame(_who(c, e, _late(c, e)))


def _who(c: DeliveryColumns, e: Events, which: Bools) -> dict[str, object]:
    first = e.first[which]
    who: dict[str, object] = {
        "source": np.array(c.sources, dtype=object)[c.source[first]] if len(first) else [],
        "number": c.number[first],
    }
    if c.keys:
        names = np.array([*c.keys, None], dtype=object)  # -1, no key, is the last
        who["key"] = names[c.key[first]]
    who["sent"] = c.sent[first]
    return who


def _number(c: DeliveryColumns, name: str) -> int:
    if name not in c.subscribers:
        raise ScenarioError(
            f"there is no subscriber {name!r}; there are: {', '.join(map(repr, c.subscribers))}"
        )
    return c.subscribers.index(name)
