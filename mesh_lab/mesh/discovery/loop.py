"""The small event loop that the models of discovery share.

What happens is ordered by (time, rank, sequence of planning), after what the truth says of that
time, and after what other streams say.  When all of one time has happened, the proxies that were
touched are looked at, and each whose view is another than before gives one `ViewChange`.  So views
never show what was true only in the middle of an instant.

The loop ends when nothing is planned and the truth has ended: a model plans nothing more for what
cannot change any more.  Where it can never tell (a check may fail for ever), a sign of life comes
after every `SILENCE` instants, so that whoever reads the stream is not kept waiting for ever.
"""

from __future__ import annotations

import heapq
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from ...draws import Draws
from ...errors import ScenarioError
from .base import State, Truth, View, ViewChange

__all__ = ["SILENCE", "Agenda", "Feed", "Known", "Model", "truth_feed"]

SILENCE = 10_000

T = TypeVar("T", bound="Truth | ViewChange")


class Feed(Generic[T]):
    """A stream that is read one item ahead; `time` is when the next one is, infinity at the end."""

    __slots__ = ("_check", "_items", "_next", "time")

    def __init__(self, items: Iterable[T], check: Callable[[T, float], None]) -> None:
        self._items = iter(items)
        self._check = check
        self.time = 0.0
        self._advance()

    def _advance(self) -> None:
        item = next(self._items, None)
        if item is not None:
            self._check(item, self.time)
        self._next = item
        self.time = math.inf if item is None else item.time

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._next is None

    def take(self) -> T:
        """Return the next item; only while there is one."""
        item = self._next
        assert item is not None  # its time would be infinity
        self._advance()
        return item


def truth_feed(truth: Iterable[Truth], name: str) -> Feed[Truth]:
    """Return a truth as a feed that raises `ScenarioError` for what cannot be."""

    def check(item: Truth, before: float) -> None:
        if not isinstance(item, Truth):
            raise ScenarioError(f"{name!r}: truth holds {item!r}, but must hold Truth(...) only")
        whole = isinstance(item.endpoint, int | np.integer) and not isinstance(item.endpoint, bool)
        if not whole or item.endpoint < 0:
            raise ScenarioError(
                f"{name!r}: truth holds {item!r}; endpoint must be a whole number, 0 or more"
            )
        if isinstance(item.state, bool) or item.state not in tuple(State):
            raise ScenarioError(f"{name!r}: truth holds {item!r}; state must be one of State")
        if not before <= item.time < math.inf:
            raise ScenarioError(
                f"{name!r}: truth holds {item!r}; times must be finite, and must not go back "
                f"(the one before is {before!r})"
            )

    return Feed(truth, check)


class Known:
    """The states of all endpoints as somebody knows them."""

    __slots__ = ("_views", "state")

    def __init__(self) -> None:
        self.state: dict[int, State] = {}
        self._views: dict[bool, View] = {}

    def note(self, change: Truth) -> bool:
        """Take a change in; return whether it is one."""
        before = self.state.get(change.endpoint, State.ABSENT)
        if change.state == before:
            return False
        self.state[change.endpoint] = State(change.state)
        self._views.clear()
        return True

    def of(self, endpoint: int) -> State:
        """Return the state of an endpoint."""
        return self.state.get(endpoint, State.ABSENT)

    def view(self, unready: bool = False) -> View:
        """Return those that are ready; with `unready` also, as unhealthy, those that are not.

        An endpoint that terminates is in neither, as in the lists that Kubernetes' DNS and proxies
        make of endpoint slices.
        """
        if unready not in self._views:
            listed = [State.READY]
            if unready:
                listed += [State.STARTING, State.UNREADY, State.DOWN]
            self._views[unready] = tuple(
                (e, s == State.READY) for e, s in sorted(self.state.items()) if s in listed
            )
        return self._views[unready]


class _Planned(NamedTuple):
    time: float
    rank: int
    sequence: int
    do: Callable[..., None]
    arguments: tuple[Any, ...]


class Agenda:
    """What is planned, in order of time, rank and sequence."""

    __slots__ = ("_heap", "_sequence")

    def __init__(self) -> None:
        self._heap: list[_Planned] = []
        self._sequence = 0

    @property
    def time(self) -> float:
        """When the next planned thing happens; infinity if nothing is planned."""
        return self._heap[0].time if self._heap else math.inf

    def plan(self, time: float, do: Callable[..., None], *arguments: Any, rank: int = 0) -> None:
        """Plan to call `do` with the arguments; at infinity nothing ever happens."""
        if time < math.inf:
            self._sequence += 1
            heapq.heappush(self._heap, _Planned(time, rank, self._sequence, do, arguments))

    def clear(self) -> None:
        """Forget all that is planned."""
        self._heap.clear()

    def happen(self) -> None:
        """Do the next thing."""
        planned = heapq.heappop(self._heap)
        planned.do(*planned.arguments)


class Model(ABC):
    """One way of discovery at work: what a proxy believes, and what moves that."""

    def __init__(self, truth: Iterable[Truth], proxies: int, draws: Draws, name: str) -> None:
        if not isinstance(name, str) or not name:
            raise ScenarioError(f"name is {name!r}, but must be a service's name")
        whole = isinstance(proxies, int | np.integer) and not isinstance(proxies, bool)
        if not whole or proxies < 1:
            raise ScenarioError(
                f"{name!r}: proxies is {proxies!r}, but must be a whole number, 1 or more"
            )
        if not isinstance(draws, Draws):
            raise ScenarioError(f"{name!r}: draws is {draws!r}, but must be Draws(seed=...)")
        self.name = name
        self.proxies = int(proxies)
        self.draws = draws
        self.now = 0.0
        self.known = Known()
        self.agenda = Agenda()
        self.truth = truth_feed(truth, name)
        self._streams: list[tuple[Feed[Any], Callable[[Any], None]]] = [(self.truth, self._learn)]
        self._touched: set[int] = set()
        while self.truth.time == 0.0:
            self.known.note(self.truth.take())

    def follow(self, feed: Feed[Any], heard: Callable[[Any], None]) -> None:
        """Also read another stream, after the truth."""
        self._streams.append((feed, heard))

    def _learn(self, change: Truth) -> None:
        before = self.known.of(change.endpoint)
        if self.known.note(change):
            self.changed(change, before)

    def touch(self, proxy: int) -> None:
        """Have a look at the view of a proxy when this instant is over."""
        self._touched.add(proxy)

    @abstractmethod
    def begin(self) -> None:
        """Plan what happens; the truth of time 0 is known."""

    @abstractmethod
    def changed(self, change: Truth, before: State) -> None:
        """The truth has changed, and `known` with it."""

    @abstractmethod
    def view(self, proxy: int) -> View:
        """Return what a proxy believes now."""

    def run(self) -> Iterator[ViewChange]:
        """Yield the changes of views."""
        believed: list[View] = [()] * self.proxies
        silent = 0
        self.begin()
        self._touched.update(range(self.proxies))
        while True:
            self._instant()
            told = False
            for proxy in sorted(self._touched):
                view = self.view(proxy)
                if view != believed[proxy]:
                    believed[proxy] = view
                    told = True
                    yield ViewChange(self.now, proxy, view)
            self._touched.clear()
            silent = 0 if told else silent + 1
            if silent >= SILENCE:
                silent = 0
                yield ViewChange(self.now, 0, believed[0])
            self.now = min(self.agenda.time, *(feed.time for feed, _ in self._streams), math.inf)
            if self.now == math.inf:
                return

    def _instant(self) -> None:
        """Let all happen that happens now."""
        while True:
            for feed, heard in self._streams:
                if feed.time <= self.now:
                    heard(feed.take())
                    break
            else:
                if self.agenda.time > self.now:
                    return
                self.agenda.happen()
