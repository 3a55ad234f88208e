"""Ask a hashing rule for the endpoint of a key, without a simulation.

What an affinity rule answers depends on the key and on the list of endpoints; only with bounded
loads also on what is outstanding.  So the rule can be asked directly, as a proxy is asked that gets
one request after the other.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import PartError
from .rule import Balancer, Lists, Pool, View

__all__ = ["picks"]


class Addressed(Protocol):
    """What a balancer needs to know of an endpoint: a declared `mesh_lab.Endpoint` does."""

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> float: ...


def picks(
    balancer: Balancer,
    endpoints: Sequence[str | Addressed],
    keys: Iterable[str],
    *,
    unanswered: int = 0,
) -> npt.NDArray[np.int64]:
    """Return which of `endpoints` the rule picks for each key, one after the other.

    Parameters
    ----------
    balancer : Balancer
        One that hashes: `RingHash`, `Maglev`, `Rendezvous`, `JumpHash`, `KetamaHash`, `MapHash`.
    endpoints : sequence of str or Endpoint
        Their names, which is what is hashed, or endpoints with a name and a weight, in the order in
        which they joined.
    keys : iterable of str
        The key of each request.
    unanswered : int
        How many of the latest requests are still outstanding whenever one comes: each answer comes
        as this many later requests have been sent.  Matters with a `balance_factor` only.

    Returns
    -------
    array of int, shape (number of keys,)
        Places in `endpoints`, from 0.

    Raises
    ------
    PartError
        When the rule does not hash, there is no endpoint, or two have the same name.

    Examples
    --------
    >>> from mesh_lab import Maglev
    >>> hosts = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]
    >>> picks(Maglev(), hosts, ["cart-17", "cart-18", "cart-17"]).tolist()
    [0, 2, 0]
    """
    if isinstance(balancer, type) and issubclass(balancer, Balancer):
        name = balancer.__name__
        raise PartError(
            "picks()", "balancer", f"is the class {name}; write {name}(), with parentheses"
        )
    if not isinstance(balancer, Balancer) or not balancer.hashes:
        raise PartError(
            "picks()",
            "balancer",
            f"is {balancer!r}, but must be a rule that looks at keys, such as RingHash()",
        )
    if isinstance(keys, str):
        raise PartError("picks()", "keys", f"is the text {keys!r}; give a list of texts")
    if not isinstance(keys, Iterable):
        raise PartError(
            "picks()", "keys", f"is {keys!r}; give texts, such as [keys.text(k) for k in range(9)]"
        )
    if not isinstance(unanswered, int) or unanswered < 0:
        raise PartError("picks()", "unanswered", f"is {unanswered!r}, but must be 0 or more")
    view, pool = _one_pool(endpoints)
    state = balancer.state([pool], view, Lists())
    sent, answered = getattr(state, "sent", None), getattr(state, "answered", None)
    waiting: deque[int] = deque()
    answers = []
    for key in keys:
        if not isinstance(key, str):
            raise PartError("picks()", "keys", f"holds {key!r}, but every key must be a text")
        e = state.pick(state, view, 0, [], 0.0, balancer.hash_key(key))
        answers.append(e)
        waiting.append(e)
        view.outstanding[e] += 1
        if sent is not None:
            sent(state, view, 0, e, 0.0)
        if len(waiting) > unanswered:
            e = waiting.popleft()
            view.outstanding[e] -= 1
            if answered is not None:
                answered(state, view, 0, e, 0.0, 0.0, 1, 0, 0.0)
    return np.array(answers, dtype=np.int64)


def _one_pool(endpoints: Sequence[str | Addressed]) -> tuple[View, Pool]:
    """Return the view of one balancer that knows all endpoints, and its pool."""
    listed = isinstance(endpoints, Sequence | np.ndarray) and not isinstance(endpoints, str)
    n = len(endpoints) if listed else 0
    if not n or not all(isinstance(e, str) or hasattr(e, "name") for e in endpoints):
        raise PartError(
            "picks()",
            "endpoints",
            f"is {endpoints!r}, but must be a list of at least one endpoint, by name or as "
            "Endpoint(...)",
        )
    names = tuple(e if isinstance(e, str) else e.name for e in endpoints)
    weights = tuple(1.0 if isinstance(e, str) else e.weight for e in endpoints)
    if len(set(names)) < n:
        twice = next(name for name in names if names.count(name) > 1)
        raise PartError("picks()", "endpoints", f"holds {twice!r} twice; names must be unique")
    view = View(
        stride=n,
        size=[n],
        hosts=list(range(n)),
        balancer=[0],
        pool=[0] * n,
        place=list(range(n)),
        outstanding=[0] * n,
        there=[0] * n,
        busy_until=[-math.inf] * n,
        job=[0.0],
        own=[],
        cursor=[0],
        alarm_times=[],
        alarm_codes=[],
        alarms=[0],
    )
    return view, Pool(0, tuple(range(n)), weights, names, (-math.inf,) * n)
