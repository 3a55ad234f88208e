"""Readiness probes: how Kubernetes finds out which pods should be asked.

The kubelet probes each pod once a period.  A pod counts as ready after `success` probes in a row
that succeeded, and as not ready after `failure` in a row that did not (``doProbe`` in
``pkg/kubelet/prober/worker.go``; the API's defaults are a period of 10 s, a timeout of 1 s, 1 and
3):

=========================  ====================================================================
when it is due, the pod    the probe
=========================  ====================================================================
is READY                   succeeds when the answer comes in time, else fails at the timeout
is UNREADY                 fails when the answer comes, or at the timeout
is STARTING                fails at once: the port is closed
is DOWN                    is not sent: the pod is not ready from now on, whatever came before
terminates, or is ABSENT   means nothing
=========================  ====================================================================

A run of equal results is not begun anew when a process restarts.  That a process has ended is known
`exit_noticed` seconds later even between probes (the kubelet relists its containers every second;
recalled, not checked), that a pod is deleted or starts at once.  The pod's state when the probe is
sent decides.  A node that is lost as a whole is not modelled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from ...draws import Draws
from ...parts import Count, Seconds, SomeSeconds, part
from .base import State, Truth
from .loop import SILENCE, Agenda, Known, truth_feed
from .numbers import Delay, Next, chance_within, numbers

__all__ = ["Readiness"]


@part
class Readiness:
    """A readiness probe.

    Parameters
    ----------
    period, timeout : float
        Seconds from one probe to the next, and that an answer may take.
    success, failure : int
        How many results in a row change what is published.
    initial_delay : float
        Seconds after the start of a process in which it is not probed.
    response : float or Distribution
        Seconds that an endpoint takes to answer a probe.
    exit_noticed : float
        Seconds after which the kubelet knows that a process has ended.

    Examples
    --------
    A pod that starts at 2 s and can answer 4 s later is published as ready at its next probe:

    >>> from mesh_lab.draws import Draws
    >>> truth = [Truth(2.0, 0, State.STARTING), Truth(6.0, 0, State.READY)]
    >>> for change in Readiness().published(truth, Draws(seed=1), "orders"):
    ...     print(change.time, change.state.name)
    2.0 STARTING
    12.0 READY
    """

    period: SomeSeconds = 10.0
    timeout: SomeSeconds = 1.0
    success: Count = 1
    failure: Count = 3
    initial_delay: Seconds = 0.0
    response: Delay = 0.0
    exit_noticed: Seconds = 1.0

    def __post_init__(self) -> None:
        if self.timeout > self.period:
            raise ValueError(
                f"timeout is {self.timeout} s, but the period is {self.period} s: the next probe "
                "would be due before the last one has ended; make timeout at most period"
            )

    def published(self, truth: Iterable[Truth], draws: Draws, name: str) -> Iterable[Truth]:
        """Return what the registry says of a truth; it can be read again if the truth can."""
        return _Published(self, truth, draws, name)


class _Published:
    __slots__ = ("_arguments",)

    def __init__(self, part: Readiness, truth: Iterable[Truth], draws: Draws, name: str) -> None:
        self._arguments = part, truth, draws, name

    def __iter__(self) -> Iterator[Truth]:
        return _Kubelet(*self._arguments).stream()


class _Prober:
    """What the kubelet remembers of one pod."""

    __slots__ = ("asleep", "base", "last", "number", "response", "run", "started", "tick")

    def __init__(self, number: int, base: float, started: float, response: Next) -> None:
        self.number = number
        self.base = base  # probes are due at base + k * period
        self.tick = 0
        self.started = started
        self.response = response
        self.last = False
        self.run = 0
        self.asleep = False  # the next probe would change nothing, nor the one after it


class _Kubelet:
    def __init__(self, part: Readiness, truth: Iterable[Truth], draws: Draws, name: str) -> None:
        self.part, self.draws, self.name = part, draws, name
        self.truth = truth_feed(truth, name)
        self.known = Known()
        self.said = Known()
        self.probers: dict[int, _Prober] = {}
        self.agenda = Agenda()
        self.now = 0.0
        self.told: list[Truth] = []
        self.in_time = chance_within(part.response, part.timeout)
        self.phases = numbers("uniform", draws, name, "probe phase", "")

    def stream(self) -> Iterator[Truth]:
        """Yield what is published; a repeated state is a sign of life."""
        silent = 0
        while True:
            if self.truth.time <= self.agenda.time:
                if self.truth.ended:
                    return
                change = self.truth.take()
                self.now = change.time
                self._learn(change)
            else:
                self.now = self.agenda.time
                self.agenda.happen()
            silent = 0 if self.told else silent + 1
            yield from self.told
            self.told = []
            if silent >= SILENCE and self.said.state:
                silent = 0
                endpoint, state = next(iter(self.said.state.items()))
                yield Truth(self.now, endpoint, state)

    def _say(self, endpoint: int, state: State) -> None:
        change = Truth(self.now, endpoint, state)
        if self.said.note(change):
            self.told.append(change)

    def _learn(self, change: Truth) -> None:
        e, before = change.endpoint, self.known.of(change.endpoint)
        if not self.known.note(change):
            return
        if before == State.ABSENT and self.now == 0.0:
            self._meet(e, since_long=True)
            self._say(e, change.state)
            return
        if before == State.ABSENT:
            self._meet(e, since_long=False)
        if change.state in (State.ABSENT, State.TERMINATING):
            self._say(e, change.state)
        elif change.state == State.STARTING:
            self.probers[e].started = self.now
            self._say(e, State.STARTING)
        elif change.state == State.DOWN and self.said.of(e) != State.TERMINATING:
            self.agenda.plan(self.now + self.part.exit_noticed, self._exited, e, rank=1)
        elif self.said.of(e) == State.ABSENT:
            self._say(e, State.STARTING)  # there, and not yet probed
        self._wake(self.probers[e])

    def _meet(self, e: int, since_long: bool) -> None:
        """Begin to probe a pod, at once or, if it has been there for long, in the middle of it."""
        part = self.part
        response = Next(numbers(part.response, self.draws, self.name, "probe", str(e)))
        base, started = self.now, self.now
        if since_long:
            base, started = part.period * self.phases(e), -math.inf
        prober = self.probers[e] = _Prober(e, base, started, response)
        if since_long:
            prober.last = self.known.of(e) == State.READY
            prober.run = max(part.success, part.failure)
        self.agenda.plan(base, self._due, prober, rank=1)

    def _exited(self, e: int) -> None:
        if self.known.of(e) == State.DOWN and self.said.of(e) not in (
            State.ABSENT,
            State.TERMINATING,
        ):
            self._say(e, State.DOWN)

    def _wake(self, prober: _Prober) -> None:
        """Probe again, at the first time that is due from now on."""
        if not prober.asleep:
            return
        prober.asleep = False
        period = self.part.period
        tick = max(prober.tick, math.ceil((self.now - prober.base) / period) - 1)
        while prober.base + tick * period < self.now:  # what is due now is after the change
            tick += 1
        prober.tick = tick
        self.agenda.plan(prober.base + tick * period, self._due, prober, rank=1)

    def _due(self, prober: _Prober) -> None:
        if self.probers.get(prober.number) is not prober:
            return
        part, e = self.part, prober.number
        state = self.known.of(e)
        if state == State.ABSENT:
            del self.probers[e]
            return
        if state == State.DOWN:
            self._exited(e)
        elif state != State.TERMINATING and self.now - prober.started >= part.initial_delay:
            took = 0.0 if state == State.STARTING else prober.response()
            passed = state == State.READY and took <= part.timeout
            self.agenda.plan(self.now + min(took, part.timeout), self._result, prober, passed)
        prober.tick += 1
        if self._settled(prober, state):
            prober.asleep = True
        else:
            self.agenda.plan(prober.base + prober.tick * part.period, self._due, prober, rank=1)

    def _settled(self, prober: _Prober, state: State) -> bool:
        """Whether probes will change nothing while the pod's state remains."""
        said = self.said.of(prober.number)
        if state == State.TERMINATING or (state == State.DOWN and said != State.READY):
            return True
        if state == State.READY and 0.0 < self.in_time < 1.0:
            return False  # nobody knows what the next probe will find
        if self.now - prober.started < self.part.initial_delay:
            return False
        passes = state == State.READY and self.in_time == 1.0
        # the probe that is on its way makes the run what it must be
        return passes == (said == State.READY)

    def _result(self, prober: _Prober, passed: bool) -> None:
        e, part = prober.number, self.part
        prober.run = prober.run + 1 if prober.last == passed else 1
        prober.last = passed
        said = self.said.of(e)
        if prober.run < (part.success if passed else part.failure):
            return
        if said in (State.ABSENT, State.TERMINATING):
            return
        if passed:
            self._say(e, State.READY)
        elif said == State.READY:
            self._say(e, State.UNREADY)
