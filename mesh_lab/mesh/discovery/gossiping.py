"""A gossiping group at work: probes, messages, joining and leaving.

Members are numbered as the endpoints are; proxy p's is -1 - p.  When time begins the group has
been there for long: everybody knows everybody, and probes at a phase of his own.  Of one instant
messages come first, then timers, then what is done at intervals.

Chosen here where memberlist depends on the machine: an exchange of everything takes two messages
(TCP's own round trips aside), a TCP probe four; who joins asks one who is there, and another if
that one is gone when the question comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ...draws import Draws
from .base import State, Truth, View
from .loop import Model
from .member import Kind, News, Record, Status
from .numbers import Next, chance_within, numbers
from .probing import END, MESSAGE, TICK, TIMER, Prober, Process
from .suspicion import Suspicion, push_pull_interval
from .swim import Gossip

__all__ = ["Gossiping"]

_THERE = frozenset({State.READY, State.UNREADY})


class Gossiping(Model):
    """The model of `Gossip`."""

    def __init__(
        self, part: Gossip, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> None:
        super().__init__(truth, proxies, draws, name)
        self.part = part
        self.processes: dict[int, Process] = {}
        self.carrying = 0  # messages with news that are under way
        self.contacts = Next(numbers("uniform", draws, name, "contact", ""))
        safe = not part.loss and chance_within(part.delay, part.probe_interval / 2.0) == 1.0
        left = (part.probe_interval - part.probe_timeout) / 4.0
        safe = safe or (part.tcp_fallback and chance_within(part.delay, left) == 1.0)
        self.safe = safe  # nobody who is there will ever be suspected
        self.ending = False
        self.prober = Prober(self)

    def begin(self) -> None:
        """Everybody who is there knows everybody."""
        there = sorted(e for e, state in self.known.state.items() if state in _THERE)
        group = there + [-1 - p for p in range(self.proxies)]
        for number in group:
            process = self.processes[number] = self._process(number)
            process.records = {n: Record(Status.ALIVE, 1, 0.0) for n in group}
            process.nodes = list(group)
            process.shuffle()
            process.index = int(process.choice() * len(group))
            self._run(process)
        self._watch_for_the_end()

    def view(self, proxy: int) -> View:
        """Return what a proxy's member believes."""
        records = self.processes[-1 - proxy].records
        return tuple(
            (number, self.part.suspects or record.status == Status.ALIVE)
            for number, record in sorted(records.items())
            if number >= 0 and not record.gone
        )

    # -- what happens to members ---------------------------------------------------------------

    def changed(self, change: Truth, before: State) -> None:
        """An endpoint starts, says that it leaves, or is gone."""
        process = self.processes.get(change.endpoint)
        up = process is not None and process.up
        if change.state in _THERE:
            if not up:
                self._start(change.endpoint)
        elif process is not None and up:
            if change.state == State.TERMINATING:
                process.leaving = True
                own = process.records[process.number]
                dead = News(Kind.DEAD, process.number, own.incarnation, process.number)
                self.tell(process, (dead,))
            else:
                process.up = False
        self._watch_for_the_end()

    def _run(self, process: Process) -> None:
        process.up = True
        process.life += 1
        part, choice = self.part, process.choice
        process.gossip_base = self.now + choice() * part.gossip_interval
        self.prober.start(process, self.now + choice() * part.probe_interval)
        if part.push_pull is not None:
            interval = push_pull_interval(part.push_pull, len(process.nodes))
            at = self.now + choice() * interval
            self.agenda.plan(at, self._push_pull, process, process.life, rank=TICK)

    def _start(self, number: int) -> None:
        """Start a process, which remembers nothing, and let it join."""
        process = self.processes[number] = self._process(number)
        self._run(process)
        process.pass_on(News(Kind.ALIVE, number, 1, number))
        self._join(process, process.life)

    def _process(self, number: int) -> Process:
        old = self.processes.get(number)
        if old is not None:
            draws, life = (old.choice, old.delay, old.lost), old.life  # these go on
        else:
            part, name, source = self.part, self.name, str(number)
            lost = "uniform" if part.loss else 1.0
            kinds = (("uniform", "choice"), (part.delay, "delay"), (lost, "loss"))
            choice, delay, loss = (
                Next(numbers(of, self.draws, name, purpose, source)) for of, purpose in kinds
            )
            draws, life = (choice, delay, loss), 0
        process = Process(number, self.part, draws, self._set_timer)
        process.life = life
        return process

    def _join(self, process: Process, life: int) -> None:
        up = [p for n, p in sorted(self.processes.items()) if p.up and n != process.number]
        if up:  # proxies always are
            contact = up[int(self.contacts() * len(up))]
            self._exchange(process, contact, partial(self._join, process, life))

    # -- messages ------------------------------------------------------------------------------

    def send(self, sender: Process, to: int, do: Callable[..., None], *arguments: Any) -> None:
        """Send a message, and what news there is with it."""
        news = sender.packet()
        if sender.lost() < self.part.loss:
            return
        self.carrying += bool(news)
        self.agenda.plan(
            self.now + sender.delay(), self._arrives, to, news, do, arguments, rank=MESSAGE
        )

    def _arrives(
        self, to: int, news: tuple[News, ...], do: Callable[..., None], arguments: tuple[Any, ...]
    ) -> None:
        self.carrying -= bool(news)
        process = self.processes.get(to)
        if process is not None and process.up:
            do(process, *arguments)
            self.tell(process, news)

    def nothing(self, process: Process) -> None:
        """A message that only carries news."""

    def tell(self, process: Process, news: Iterable[News]) -> None:
        """Let a member hear some news."""
        for piece in news:
            process.hear(piece, self.now)
        self.told(process)

    def told(self, process: Process) -> None:
        """See to it that the news goes on, and look at the view."""
        if process.number < 0:
            self.touch(-1 - process.number)
        if process.queue and not process.gossip_planned:
            process.gossip_planned = True
            interval = self.part.gossip_interval
            tick = max(0, int((self.now - process.gossip_base) / interval))
            while process.gossip_base + tick * interval <= self.now:
                tick += 1
            at = process.gossip_base + tick * interval
            self.agenda.plan(at, self._gossip, process, process.life, rank=TICK)

    def _gossip(self, process: Process, life: int) -> None:
        if life != process.life or not process.up:
            return
        process.gossip_planned = False
        limit = self.part.gossip_to_dead

        def told(about: int, record: Record) -> bool:
            dead = record.status == Status.DEAD and self.now - record.since <= limit
            return dead or not record.gone

        for to in process.some(self.part.gossip_nodes, told):
            if process.queue:
                self.send(process, to, self.nothing)
        self.told(process)

    # -- exchanges of everything ---------------------------------------------------------------

    def _push_pull(self, process: Process, life: int) -> None:
        if life != process.life or not process.up:
            return
        assert self.part.push_pull is not None  # else it is never planned
        for to in process.some(1, lambda about, record: record.status == Status.ALIVE):
            self._exchange(process, self.processes[to], None)
        interval = push_pull_interval(self.part.push_pull, len(process.nodes))
        self.agenda.plan(self.now + interval, self._push_pull, process, life, rank=TICK)

    def _exchange(
        self, process: Process, other: Process, instead: Callable[[], None] | None
    ) -> None:
        self.carrying += 1
        self.agenda.plan(
            self.now + process.delay(),
            self._asked,
            process,
            process.life,
            other,
            process.states(),
            instead,
            rank=MESSAGE,
        )

    def _asked(
        self,
        process: Process,
        life: int,
        other: Process,
        states: list[tuple[int, int, Status]],
        instead: Callable[[], None] | None,
    ) -> None:
        if not other.up:
            self.carrying -= 1
            if instead is not None and process.up and process.life == life:
                instead()
            return
        back = other.states()
        other.merge(states, self.now)
        self.told(other)
        self.agenda.plan(
            self.now + other.delay(), self._answered, process, life, back, rank=MESSAGE
        )

    def _answered(self, process: Process, life: int, states: list[tuple[int, int, Status]]) -> None:
        self.carrying -= 1
        if process.up and process.life == life:
            process.merge(states, self.now)
            self.told(process)

    # -- suspicions ----------------------------------------------------------------------------

    def _set_timer(self, process: Process, about: int, suspicion: Suspicion) -> None:
        self.agenda.plan(
            suspicion.deadline, self._deadline, process, process.life, about, suspicion, rank=TIMER
        )

    def _deadline(self, process: Process, life: int, about: int, suspicion: Suspicion) -> None:
        record = process.records.get(about)
        if life != process.life or not process.up or record is None:
            return
        if record.suspicion is suspicion and self.now >= suspicion.deadline:
            dead = News(Kind.DEAD, about, record.incarnation, process.number)
            self.tell(process, (dead,))

    # -- the end -------------------------------------------------------------------------------

    def _watch_for_the_end(self) -> None:
        if self.truth.ended and self.safe and not self.ending:
            self.ending = True
            self._look_for_the_end()

    def _look_for_the_end(self) -> None:
        """Stop when all believe what is so, and nothing else is under way."""
        if self.carrying or not all(map(self._rests, self.processes.values())):
            at = self.now + self.part.probe_interval
            self.agenda.plan(at, self._look_for_the_end, rank=END)
        else:
            self.agenda.clear()

    def _rests(self, process: Process) -> bool:
        """Whether a member has nothing to tell, and believes what is so."""
        if not process.up:
            return True
        here = {n for n, p in self.processes.items() if p.up and not p.leaving}
        records = process.records
        believed = {n for n, record in records.items() if record.status == Status.ALIVE}
        suspects = any(record.status == Status.SUSPECT for record in records.values())
        return (
            not process.queue
            and not suspects
            and believed - {process.number} == here - {process.number}
        )
