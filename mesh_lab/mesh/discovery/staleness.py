"""How far what callers believe is from what is so, in numbers that a run can report.

At each moment a view errs by

*gone*      the endpoints that it lists as healthy where nobody would answer: ABSENT, STARTING or
            DOWN; a request sent there fails;
*unfit*     those that it lists as healthy where somebody answers who should not be asked: UNREADY
            or TERMINATING; a request sent there is late work;
*lacking*   the endpoints that are READY, and that it does not list as healthy; the others carry
            their load.

`staleness` adds these up over time for each proxy, in endpoint-seconds, and says how long a view
erred at all, and for how long at a stretch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from ...errors import ScenarioError
from .base import State, Truth, View, ViewChange
from .loop import Known, truth_feed

__all__ = ["Staleness", "staleness"]

_GONE = frozenset({State.ABSENT, State.STARTING, State.DOWN})
_UNFIT = frozenset({State.UNREADY, State.TERMINATING})


class Staleness(NamedTuple):
    """How stale one proxy's view was.

    Attributes
    ----------
    proxy : int
        Which proxy.
    gone, unfit, lacking : float
        Endpoint-seconds; see `mesh_lab.mesh.discovery.staleness`.
    stale : float
        Seconds in which any of these was so.
    longest : float
        Seconds of the longest stretch of that.
    changes : int
        How often the view changed after time 0.
    """

    proxy: int
    gone: float
    unfit: float
    lacking: float
    stale: float
    longest: float
    changes: int


class _Account:
    """The errors of one view at present, and their sums so far."""

    def __init__(self, proxy: int) -> None:
        self.proxy = proxy
        self.healthy: set[int] = set()
        self.wrong = [0, 0, 0]  # gone, unfit, lacking
        self.sums = [0.0, 0.0, 0.0]
        self.since = 0.0
        self.stale = self.longest = 0.0
        self.began: float | None = None  # of the present stretch
        self.changes = 0
        self.view: View = ()

    def until(self, now: float) -> None:
        """Add what has been so until now."""
        passed = now - self.since
        if passed > 0.0:
            for k, wrong in enumerate(self.wrong):
                self.sums[k] += wrong * passed
            if any(self.wrong):
                if self.began is None:
                    self.began = self.since
                self.stale += passed
                self.longest = max(self.longest, now - self.began)
            else:
                self.began = None
            self.since = now

    def count(self, endpoint: int, state: State, by: int) -> None:
        """Count an endpoint's error, or take it off again."""
        if endpoint in self.healthy:
            if state in _GONE:
                self.wrong[0] += by
            elif state in _UNFIT:
                self.wrong[1] += by
        elif state == State.READY:
            self.wrong[2] += by

    def told(self) -> Staleness:
        """Return the numbers."""
        gone, unfit, lacking = self.sums
        return Staleness(self.proxy, gone, unfit, lacking, self.stale, self.longest, self.changes)


def staleness(
    views: Iterable[ViewChange], truth: Iterable[Truth], proxies: int, until: float
) -> list[Staleness]:
    """Return how stale each proxy's view was from time 0 to `until`.

    Parameters
    ----------
    views : iterable of ViewChange
        What the proxies believed.
    truth : iterable of Truth
        What was so.
    proxies : int
        How many there are.
    until : float
        Seconds; both streams are read no further.

    Returns
    -------
    list of Staleness
        One for each proxy, in order.

    Raises
    ------
    ScenarioError
        When `until` is not a time, or a view is that of a proxy that does not exist.

    Examples
    --------
    >>> truth = [Truth(0.0, 0, State.READY), Truth(4.0, 0, State.DOWN), Truth(9.0, 0, State.READY)]
    >>> views = [ViewChange(0.0, 0, ((0, True),)), ViewChange(6.0, 0, ((0, False),))]
    >>> print(*staleness(views, truth, proxies=1, until=10.0))
    Staleness(proxy=0, gone=2.0, unfit=0.0, lacking=1.0, stale=3.0, longest=2.0, changes=1)
    """
    if not isinstance(until, int | float) or isinstance(until, bool) or not 0.0 < until < math.inf:
        raise ScenarioError(f"until is {until!r}, but must be a time in seconds, more than 0")
    known = Known()
    feed = truth_feed(truth, "staleness")
    accounts = [_Account(proxy) for proxy in range(proxies)]

    def learn(before: float) -> None:
        while feed.time < before:
            change = feed.take()
            was = known.of(change.endpoint)
            for account in accounts:
                account.until(change.time)
                account.count(change.endpoint, was, -1)
            known.note(change)
            for account in accounts:
                account.count(change.endpoint, State(change.state), +1)

    for view in views:
        if view.time >= until:
            break
        if not 0 <= view.proxy < proxies:
            raise ScenarioError(
                f"views holds {view!r}, but proxies is {proxies}: they are numbered from 0"
            )
        learn(math.nextafter(view.time, math.inf))
        _believe(accounts[view.proxy], view, known)
    learn(until)
    for account in accounts:
        account.until(until)
    return [account.told() for account in accounts]


def _believe(account: _Account, change: ViewChange, known: Known) -> None:
    account.until(change.time)
    healthy = _healthy(change.endpoints)
    for endpoint in healthy ^ account.healthy:
        account.count(endpoint, known.of(endpoint), -1)
        account.healthy ^= {endpoint}
        account.count(endpoint, known.of(endpoint), +1)
    account.changes += change.time > 0.0 and change.endpoints != account.view
    account.view = change.endpoints


def _healthy(view: View) -> set[int]:
    return {endpoint for endpoint, healthy in view if healthy}
