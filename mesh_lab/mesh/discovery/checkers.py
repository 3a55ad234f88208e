"""Health checkers at work: sessions, one for each proxy and each endpoint that it knows of.

A session ends its checks when nothing can change any more: the truth and the list of members have
ended, what it takes the endpoint for agrees with what any further check would find, and that is
certain.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import tee

from ...draws import Draws
from .base import State, Truth, View, ViewChange, published
from .checking import Judge, Result
from .health import HealthChecks
from .loop import Feed, Known, Model, truth_feed
from .numbers import Next, chance_within, numbers

__all__ = ["Checkers"]


class _Session:
    """What one proxy knows of one endpoint."""

    __slots__ = ("endpoint", "jitter", "judge", "over", "proxy", "removed", "response")

    def __init__(
        self, proxy: int, endpoint: int, judge: Judge, response: Next, jitter: Next
    ) -> None:
        self.proxy = proxy
        self.endpoint = endpoint
        self.judge = judge
        self.response = response
        self.jitter = jitter
        self.removed = False  # no longer on the list, kept because it passes
        self.over = False


class Checkers(Model):
    """The model of `HealthChecks`."""

    def __init__(
        self, part: HealthChecks, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> None:
        again = truth
        if iter(truth) is truth:  # it can be read only once
            truth, again = tee(truth)
        super().__init__(truth, proxies, draws, name)
        self.part = part
        self.rule = part.thresholds
        self.in_time = chance_within(part.response, part.timeout)
        self.sessions: list[dict[int, _Session]] = [{} for _ in range(proxies)]
        self.listed: list[dict[int, bool]] = [{} for _ in range(proxies)]
        self.feed: Feed[Truth] | Feed[ViewChange]
        self.registry = Known()
        if part.members is None:
            self.feed = feed = truth_feed(published(again), name)
            self.follow(feed, self._said)
            while feed.time == 0.0:
                self.registry.note(feed.take())
        else:
            stream = part.members.views(again, proxies, draws, f"{name} members")
            self.feed = views = Feed(stream, lambda item, before: None)
            self.follow(views, self._listed)
            while views.time == 0.0:
                change = views.take()
                self.listed[change.proxy] = dict(change.endpoints)

    def begin(self) -> None:
        """Open the sessions of the beginning."""
        if self.part.members is None:
            members = dict(self._of_registry())
            self.listed = [dict(members) for _ in range(self.proxies)]
        for proxy in range(self.proxies):
            for endpoint in self.listed[proxy]:
                self._open(proxy, endpoint, self.part.warm)

    def changed(self, change: Truth, before: State) -> None:
        """Nobody sees it until he asks."""

    def view(self, proxy: int) -> View:
        """Return whom a proxy has a session with, and what it takes each for."""
        listed = self.listed[proxy]
        return tuple(
            (endpoint, session.judge.healthy and listed.get(endpoint, True))
            for endpoint, session in sorted(self.sessions[proxy].items())
        )

    # -- who is checked ------------------------------------------------------------------------

    def _of_registry(self) -> list[tuple[int, bool]]:
        return [(endpoint, True) for endpoint, _ in self.registry.view(unready=True)]

    def _said(self, change: Truth) -> None:
        if self.registry.note(change):
            members = self._of_registry()
            for proxy in range(self.proxies):
                self._change_list(proxy, dict(members), keep=False)

    def _listed(self, change: ViewChange) -> None:
        self._change_list(change.proxy, dict(change.endpoints), self.part.keep_removed)

    def _change_list(self, proxy: int, members: dict[int, bool], keep: bool) -> None:
        sessions = self.sessions[proxy]
        self.listed[proxy] = members
        for endpoint in members:
            if endpoint not in sessions:
                self._open(proxy, endpoint, warm=False)
            sessions[endpoint].removed = False
        for endpoint in [e for e in sessions if e not in members]:
            if keep and sessions[endpoint].judge.healthy:
                sessions[endpoint].removed = True
            else:
                sessions.pop(endpoint).over = True
        self.touch(proxy)

    def _open(self, proxy: int, endpoint: int, warm: bool) -> None:
        part, draws = self.part, self.draws
        response = Next(numbers(part.response, draws, self.name, f"check {endpoint}", str(proxy)))
        jittered = part.interval_jitter or part.interval_jitter_percent
        jitter = Next(
            numbers(
                "uniform" if jittered else 0.0, draws, self.name, f"jitter {endpoint}", str(proxy)
            )
        )
        if warm:
            passes = self._passes(self.known.of(endpoint)) and self.in_time > 0.0
            judge = Judge(passes, first=False)
            wait = part.pause(passes, edge=False)
        else:
            judge = Judge(part.assumed == "healthy", first=True)
            wait = part.initial_jitter
        if wait:
            wait *= draws.column("uniform", self.name, "phase", str(endpoint)).at(proxy)
        session = _Session(proxy, endpoint, judge, response, jitter)
        self.sessions[proxy][endpoint] = session
        self.agenda.plan(self.now + wait, self._check, session)

    # -- checks --------------------------------------------------------------------------------

    def _passes(self, state: State) -> bool:
        """Whether an endpoint in this state answers that it is well."""
        draining = state == State.TERMINATING and self.part.draining == "passes"
        return state == State.READY or draining

    def _check(self, session: _Session) -> None:
        if session.over:
            return
        part = self.part
        state = self.known.of(session.endpoint)
        if state in (State.STARTING, State.DOWN):
            result, took = Result.FAILED, 0.0
        elif state == State.ABSENT:
            result, took = Result.FAILED, part.timeout
        else:
            took = session.response()
            result = Result.PASSED if self._passes(state) else Result.ERROR
            if took > part.timeout:
                result, took = Result.FAILED, part.timeout
        self.agenda.plan(self.now + took, self._result, session, result, self.now)

    def _result(self, session: _Session, result: Result, begun: float) -> None:
        if session.over:
            return
        part, judge = self.part, session.judge
        if judge.take(result, self.rule):
            self.touch(session.proxy)
        if session.removed and not judge.healthy:
            del self.sessions[session.proxy][session.endpoint]
            session.over = True
            return
        if self._rests(session):
            return
        pause = part.pause(result == Result.PASSED, judge.edge)
        if part.interval_jitter_percent:
            pause += session.jitter() * pause * part.interval_jitter_percent / 100.0
        if part.interval_jitter:
            pause += session.jitter() * part.interval_jitter
        since = self.now if part.paced == "after the result" else begun
        self.agenda.plan(since + pause, self._check, session)

    def _rests(self, session: _Session) -> bool:
        """Whether no further check can change anything."""
        if not (self.truth.ended and self.feed.ended):
            return False
        state = self.known.of(session.endpoint)
        if self._passes(state):
            if 0.0 < self.in_time < 1.0:
                return False
            passes = self.in_time == 1.0
        else:
            passes = False
        return session.judge.healthy == passes and not session.judge.edge
