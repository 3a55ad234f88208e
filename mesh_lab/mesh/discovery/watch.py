"""Consul's blocking queries: a question that is answered when there is something new.

A client asks with the index of what it has.  The server answers when its own index is higher: at
once, if it is already, else at the next change, or when the wait is over, with what there is then.
The answer takes its way back, and the client asks again.  What changes while answer and question
are on their way is told with the next answer, which comes at once.  So a client is behind by one
way at best, and by three at worst (answer, question, answer), plus its pause.

The wait is 5 min unless the client says otherwise, and 10 min at most; to it the server adds up to
a sixteenth, so that clients do not come back together (Consul documentation, "Blocking Queries";
``jitterFraction`` in ``rpc.go``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from annotated_types import Gt, Le

from ...draws import Draws
from ...parts import Seconds, part
from .base import Discovery, State, Truth, View, ViewChange, published
from .loop import Model
from .numbers import Delay, Next, numbers

__all__ = ["BlockingQueries"]

_JITTER = 16.0
_ANSWER, _ASK = 0, 1


@part
class BlockingQueries(Discovery):
    """Long polling as Consul does it.

    Parameters
    ----------
    wait : float
        Seconds after which the server answers though nothing has changed; 600 at most.
    way : float or Distribution
        Seconds that a question takes to the server, and an answer back.
    pause : float
        Seconds that a client waits before it asks again, to spare the server.

    Examples
    --------
    >>> from mesh_lab.draws import Draws
    >>> truth = [Truth(0.0, 0, State.READY), Truth(1.0, 0, State.DOWN), Truth(1.01, 1, State.READY)]
    >>> for change in BlockingQueries(way=0.02).views(truth, 1, Draws(seed=1), "orders"):
    ...     print(round(change.time, 2), change.endpoints)
    0.0 ((0, True),)
    1.02 ()
    1.06 ((1, True),)
    """

    wait: Annotated[float, Gt(0), Le(600)] = 300.0
    way: Delay = 0.0
    pause: Seconds = 0.0

    def views(
        self, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> Iterator[ViewChange]:
        """Yield what each proxy believes; see `Discovery.views`."""
        return _Model(self, published(truth), proxies, draws, name).run()


class _Client:
    """One proxy's question at the server, and what it has been told."""

    __slots__ = ("asked", "asking", "index", "jitter", "proxy", "view", "way")

    def __init__(self, proxy: int, view: View, way: Next, jitter: Next) -> None:
        self.proxy = proxy
        self.view = view
        self.index = 0
        self.asking = False  # whether its question waits at the server
        self.asked = 0  # how many questions came there
        self.way = way
        self.jitter = jitter


class _Model(Model):
    def __init__(
        self,
        part: BlockingQueries,
        truth: Iterable[Truth],
        proxies: int,
        draws: Draws,
        name: str,
    ) -> None:
        super().__init__(truth, proxies, draws, name)
        self.part = part
        self.index = 0
        self.clients = [
            _Client(
                proxy,
                self.known.view(),
                Next(numbers(part.way, draws, name, "way", str(proxy))),
                Next(numbers("uniform", draws, name, "wait", str(proxy))),
            )
            for proxy in range(proxies)
        ]

    def begin(self) -> None:
        """Everybody's question waits; the phase is that of a wait that began some time ago."""
        for client in self.clients:
            client.asking = True
            left = self._wait(client) * client.jitter()
            self.agenda.plan(left, self._waited, client, client.asked, rank=_ASK)

    def changed(self, change: Truth, before: State) -> None:
        """There is something new: answer those who wait for it."""
        if State.READY in (change.state, before):
            self.index += 1
            for client in self.clients:
                if client.asking:
                    # after all that changes at this time
                    self.agenda.plan(self.now, self._changed, client, client.asked, rank=_ANSWER)

    def view(self, proxy: int) -> View:
        """Return what the last answer said."""
        return self.clients[proxy].view

    def _wait(self, client: _Client) -> float:
        return self.part.wait + client.jitter() * self.part.wait / _JITTER

    def _changed(self, client: _Client, asked: int) -> None:
        if client.asking and client.asked == asked:
            self._answer(client)

    def _waited(self, client: _Client, asked: int) -> None:
        if client.asking and client.asked == asked:
            self._answer(client)

    def _answer(self, client: _Client) -> None:
        client.asking = False
        back = self.now + client.way()
        self.agenda.plan(back, self._hear, client, self.known.view(), self.index, rank=_ANSWER)

    def _hear(self, client: _Client, view: View, index: int) -> None:
        client.view, client.index = view, index
        self.touch(client.proxy)
        if self.truth.ended and index == self.index:
            return  # nothing new will ever come
        self.agenda.plan(self.now + self.part.pause + client.way(), self._ask, client, rank=_ASK)

    def _ask(self, client: _Client) -> None:
        client.asking = True
        client.asked += 1
        if client.index < self.index:
            self._answer(client)
        else:
            self.agenda.plan(
                self.now + self._wait(client), self._waited, client, client.asked, rank=_ASK
            )
