"""A caller that sends each request at its time, whatever became of the others (open loop).

It keeps a set of connections open and sends one request at a time on each, always on the one that
has been idle longest, so that with two workers of Envoy the requests go round between them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .resilience_answers import Slot

__all__ = ["Caller", "Sent"]

PATIENCE = 15.0  # seconds until every request must have been answered


@dataclass
class Sent:
    """One request; times in seconds of the loop's clock."""

    request: int
    worker: int
    sent: float
    answered: float = float("nan")
    status: int = 0


class Caller:
    """The connections, and what was sent on them."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.loop = asyncio.get_running_loop()
        self.idle: deque[Line] = deque()
        self.sent: list[Sent] = []
        self.left = 0
        self.times: list[float] = []
        self.done = self.loop.create_future()

    async def open(self, count: int, worker: Callable[[], Awaitable[int]] | None) -> None:
        """Open `count` connections one by one; `worker` says whose the newest is (None: 0)."""
        for _ in range(count):
            _, line = await self.loop.create_connection(lambda: Line(self), "127.0.0.1", self.port)
            line.worker = 0 if worker is None else await worker()
            self.idle.append(line)

    def close(self) -> None:
        """Close the connections."""
        for line in self.idle:
            line.transport.close()

    async def send(self, schedule: tuple[Slot, ...], start: float) -> None:
        """Send every request of `schedule`, counted from `start`, and wait for all answers.

        Raises
        ------
        RuntimeError
            When there is no idle connection for a request, or an answer does not come.
        """
        self.left = len(schedule)
        self.times = [start + time for time, _ in schedule]
        self.loop.call_at(self.times[0], self.due, 0)
        try:
            async with asyncio.timeout_at(start + schedule[-1][0] + PATIENCE):
                await self.done
        except TimeoutError:
            raise RuntimeError(f"{self.left} requests were not answered in time") from None

    def due(self, request: int) -> None:
        """Send this request and all others that are due, in order; wake up for the next."""
        now = self.loop.time()
        while request < len(self.times) and self.times[request] <= now:
            if not self.idle:
                self.fail(RuntimeError(f"request {request}: no connection is idle; open more"))
                return
            self.idle.popleft().ask(request)
            request += 1
        if request < len(self.times):
            self.loop.call_at(self.times[request], self.due, request)

    def fail(self, why: Exception) -> None:
        """Stop waiting."""
        if not self.done.done():
            self.done.set_exception(why)

    def answered(self, line: Line) -> None:
        """Take a connection back."""
        self.idle.append(line)
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)


class Line(asyncio.Protocol):
    """One connection of the caller."""

    transport: asyncio.Transport

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.worker = 0
        self.received = b""
        self.current: Sent | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: int) -> None:
        """Send a request."""
        text = f"GET / HTTP/1.1\r\nhost: callee\r\nx-number: {request}\r\n\r\n"
        self.current = Sent(request, self.worker, self.caller.loop.time())
        self.caller.sent.append(self.current)
        self.transport.write(text.encode())

    def data_received(self, data: bytes) -> None:
        """Take the answer when it is whole, with its body."""
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found or self.current is None:
            return
        lines = head.decode("latin-1").lower().split("\r\n")
        length = next((s.partition(":")[2] for s in lines if s.startswith("content-length:")), "0")
        if len(body) < int(length):
            return
        self.received = body[int(length) :]
        self.current.answered = self.caller.loop.time()
        self.current.status = int(lines[0].split()[1])
        self.current = None
        self.caller.answered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody but the caller should close."""
        if self.current is not None:
            self.caller.fail(RuntimeError(f"request {self.current.request}: connection closed"))
