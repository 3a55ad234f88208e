"""How a member of a gossiping group finds out whether another is there.

``probe`` and ``probeNode`` of memberlist's ``state.go``:

==============================  ===============================================================
time since the probe began      what happens
==============================  ===============================================================
0                               a ping; with it, if the other is a suspect, the suspicion, so
                                that it can refute at once
timeout                         without an answer: some others are asked to ping it, and TCP is
                                tried
timeout more, at a peer         without an answer: the peer says so
interval * (1 + score)          without any answer: the other is suspected
==============================  ===============================================================

The score is Lifeguard's awareness: one better for every probe that succeeded, worse by the number
of peers from whom nothing came in time, or by one if there were none, and by one for every
refutation (`member`).  A member probes one other at a time; of the ticks that it misses meanwhile,
one is made up for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from .member import Kind, Member, News, Record, Status
from .suspicion import Suspicion
from .swim import Gossip

if TYPE_CHECKING:
    from .gossiping import Gossiping

__all__ = ["END", "MESSAGE", "TICK", "TIMER", "Prober", "Process"]

MESSAGE, TIMER, TICK, END = range(4)

_Draw = Callable[[], float]


class _Probe:
    """One probe of one member by another."""

    __slots__ = ("expected", "nacks", "over", "reached", "target")

    def __init__(self, target: int) -> None:
        self.target = target
        self.expected = 0  # peers, who answer at least that they had no answer
        self.nacks = 0
        self.reached = False  # over TCP
        self.over = False


class _Help:
    """A ping that somebody sends for another."""

    __slots__ = ("answered", "late")

    def __init__(self) -> None:
        self.answered = False
        self.late = False


class Process(Member):
    """A member that runs: what it believes, its draws and its clocks."""

    def __init__(
        self,
        number: int,
        rule: Gossip,
        draws: tuple[_Draw, _Draw, _Draw],
        timer: Callable[[Process, int, Suspicion], None],
    ) -> None:
        choice, self.delay, self.lost = draws
        super().__init__(number, rule, choice, partial(timer, self))
        self.up = False
        self.life = 0  # what was planned in an earlier one is void
        self.probe: _Probe | None = None
        self.missed = False  # a tick, while it was probing
        self.gossip_base = 0.0
        self.gossip_planned = False


class Prober:
    """The probes of all members."""

    def __init__(self, group: Gossiping) -> None:
        self.group = group
        self.part = group.part

    def _plan(self, seconds: float, rank: int, do: Callable[..., None], *what: object) -> None:
        self.group.agenda.plan(self.group.now + seconds, do, *what, rank=rank)

    def start(self, process: Process, base: float) -> None:
        """Let a member probe from `base` on."""
        self.group.agenda.plan(base, self._tick, process, process.life, base, 0, rank=TICK)

    def _tick(self, process: Process, life: int, base: float, tick: int) -> None:
        if life != process.life or not process.up:
            return
        due = base + (tick + 1) * self.part.probe_interval
        self.group.agenda.plan(due, self._tick, process, life, base, tick + 1, rank=TICK)
        if process.probe is None:
            self._probe(process)
        else:
            process.missed = True

    def _probe(self, process: Process) -> None:
        target = process.next_target(self.group.now)
        if target is None:
            return
        process.probe = probe = _Probe(target)
        record = process.records[target]
        self.group.send(process, target, self._pinged, process.number, probe)
        if record.status != Status.ALIVE:
            news = News(Kind.SUSPECT, target, record.incarnation, process.number)
            self.group.send(process, target, self._accused, news)
        self._plan(self.part.probe_timeout, TIMER, self._late, process, process.life, probe)
        interval = self.part.probe_interval * (process.score + 1)
        self._plan(interval, TIMER, self._over, process, process.life, probe)

    def _accused(self, target: Process, news: News) -> None:
        self.group.tell(target, (news,))

    def _pinged(self, target: Process, back: int, probe: _Probe) -> None:
        self.group.send(target, back, self._acknowledged, probe)

    def _acknowledged(self, process: Process, probe: _Probe) -> None:
        if process.probe is probe:
            process.feel(-1)
            self._end(process, probe)

    def _end(self, process: Process, probe: _Probe) -> None:
        probe.over = True
        process.probe = None
        if process.missed:
            process.missed = False
            self._probe(process)

    # -- without an answer ---------------------------------------------------------------------

    def _late(self, process: Process, life: int, probe: _Probe) -> None:
        """Ask others for help."""
        if probe.over or life != process.life or not process.up:
            return
        target = probe.target

        def helps(about: int, record: Record) -> bool:
            return about != target and record.status == Status.ALIVE

        for peer in process.some(self.part.indirect, helps):
            probe.expected += 1
            self.group.send(process, peer, self._asked_for_help, process.number, probe)
        if self.part.tcp_fallback:
            seconds = sum(process.delay() for _ in range(4))
            self._plan(seconds, MESSAGE, self._tried_tcp, probe)

    def _tried_tcp(self, probe: _Probe) -> None:
        target = self.group.processes.get(probe.target)
        probe.reached = target is not None and target.up

    def _asked_for_help(self, peer: Process, asker: int, probe: _Probe) -> None:
        help_ = _Help()
        self.group.send(peer, probe.target, self._pinged_for, peer.number, asker, probe, help_)
        self._plan(
            self.part.probe_timeout, TIMER, self._no_help, peer, peer.life, asker, probe, help_
        )

    def _pinged_for(
        self, target: Process, peer: int, asker: int, probe: _Probe, help_: _Help
    ) -> None:
        self.group.send(target, peer, self._helped, asker, probe, help_)

    def _helped(self, peer: Process, asker: int, probe: _Probe, help_: _Help) -> None:
        if not help_.late:
            help_.answered = True
            self.group.send(peer, asker, self._acknowledged, probe)

    def _no_help(self, peer: Process, life: int, asker: int, probe: _Probe, help_: _Help) -> None:
        help_.late = True
        if not help_.answered and peer.up and peer.life == life:
            self.group.send(peer, asker, self._refused_help, probe)

    def _refused_help(self, process: Process, probe: _Probe) -> None:
        probe.nacks += 1

    def _over(self, process: Process, life: int, probe: _Probe) -> None:
        """Suspect the other, if nothing was heard of it."""
        if probe.over or life != process.life or not process.up:
            return
        record = process.records.get(probe.target)
        if probe.reached or record is None:
            process.feel(-1)
        else:
            process.feel(probe.expected - probe.nacks if probe.expected else 1)
            news = News(Kind.SUSPECT, probe.target, record.incarnation, process.number)
            self.group.tell(process, (news,))
        self._end(process, probe)
