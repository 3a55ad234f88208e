"""Back ends that answer as planned and note every attempt that reaches them, and how it ended.

One process serves all of them, HTTP/1.1 with what is here, HTTP/2 with the package ``h2``.  An
attempt ends *answered*, or *left*: the proxy closed the connection (HTTP/1.1) or reset the stream
(HTTP/2) before the planned answer was due.
"""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .resilience_answers import Answer, Plan

__all__ = ["Attempt", "Callee"]

REASONS = {200: "OK", 500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass
class Attempt:
    """One attempt that reached a back end; times in seconds of the loop's clock."""

    request: int
    attempt: int
    back_end: int
    connection: int
    arrived: float
    planned: Answer
    ended: float = float("nan")
    end: str = ""
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class Callee:
    """All back ends of one run, on free ports of 127.0.0.1."""

    def __init__(self, plan: Plan, http2: bool) -> None:
        self.plan = plan
        self.kind = Http2 if http2 else Http1
        self.loop = asyncio.get_running_loop()
        self.start = self.loop.time()  # set again when the run starts
        self.attempts: list[Attempt] = []
        self.ports: list[int] = []
        self.servers: list[asyncio.Server] = []
        self.connections = [0] * plan.scenario.back_ends
        self.open: set[asyncio.Transport] = set()

    async def listen(self) -> None:
        """Open the ports."""
        for back_end in range(self.plan.scenario.back_ends):
            server = await self.loop.create_server(
                partial(self.kind, self, back_end), "127.0.0.1", 0, backlog=512
            )
            self.servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Close the ports and every connection."""
        for server in self.servers:
            server.close()
        for transport in list(self.open):
            transport.abort()

    def begin(self, protocol: Connection, fields: dict[str, str]) -> Attempt:
        """Note an attempt that has just arrived, with its planned answer."""
        now = self.loop.time()
        request = int(fields["x-number"])
        number = int(fields.get("x-envoy-attempt-count", "1"))
        planned = self.plan.answer(request, number, protocol.back_end, now - self.start)
        one = Attempt(request, number, protocol.back_end, protocol.number, now, planned)
        self.attempts.append(one)
        return one

    def finish(self, one: Attempt, end: str) -> None:
        """Note how an attempt ended."""
        if one.timer is not None:
            one.timer.cancel()
        one.ended, one.end = self.loop.time(), end


class Connection(asyncio.Protocol):
    """What both protocols share: a connection has a number at its back end."""

    transport: asyncio.Transport

    def __init__(self, callee: Callee, back_end: int) -> None:
        self.callee = callee
        self.back_end = back_end
        self.number = callee.connections[back_end]
        callee.connections[back_end] += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.callee.open.add(transport)


class Http1(Connection):
    """One request at a time; no request has a body."""

    def __init__(self, callee: Callee, back_end: int) -> None:
        super().__init__(callee, back_end)
        self.received = b""
        self.current: Attempt | None = None

    def data_received(self, data: bytes) -> None:
        """Take a request when its head is whole."""
        self.received += data
        head, found, rest = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        self.received = rest
        lines = head.decode("latin-1").split("\r\n")[1:]
        fields = {
            name.lower(): value.strip() for name, _, value in (s.partition(":") for s in lines)
        }
        self.current = one = self.callee.begin(self, fields)
        one.timer = self.callee.loop.call_at(one.arrived + one.planned.delay, self.answer)

    def answer(self) -> None:
        """Send the planned answer."""
        one, self.current = self.current, None
        assert one is not None
        status = one.planned.status
        text = f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-length: 0\r\n\r\n"
        self.callee.finish(one, "answered")
        self.transport.write(text.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy has left."""
        self.callee.open.discard(self.transport)
        if self.current is not None:
            self.callee.finish(self.current, "left")


class Http2(Connection):
    """Many streams on one connection, by the package ``h2`` (imported when first needed)."""

    def __init__(self, callee: Callee, back_end: int) -> None:
        super().__init__(callee, back_end)
        settings = importlib.import_module("h2.config").H2Configuration(client_side=False)
        self.http: Any = importlib.import_module("h2.connection").H2Connection(config=settings)
        self.events: Any = importlib.import_module("h2.events")
        self.streams: dict[int, Attempt] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the settings."""
        super().connection_made(transport)
        self.http.initiate_connection()
        self.transport.write(self.http.data_to_send())

    def data_received(self, data: bytes) -> None:
        """Take requests and resets."""
        for event in self.http.receive_data(data):
            if isinstance(event, self.events.RequestReceived):
                stream = int(event.stream_id)
                pairs = [(_text(name), _text(value)) for name, value in event.headers]
                one = self.streams[stream] = self.callee.begin(self, dict(pairs))
                due = one.arrived + one.planned.delay
                one.timer = self.callee.loop.call_at(due, self.answer, stream)
            elif isinstance(event, self.events.StreamReset) and event.stream_id in self.streams:
                self.callee.finish(self.streams.pop(event.stream_id), "left")
        self.transport.write(self.http.data_to_send())

    def answer(self, stream: int) -> None:
        """Send the planned answer on its stream."""
        one = self.streams.pop(stream)
        self.callee.finish(one, "answered")
        self.http.send_headers(stream, [(":status", str(one.planned.status))], end_stream=True)
        self.transport.write(self.http.data_to_send())

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy has left, with all its streams."""
        self.callee.open.discard(self.transport)
        for one in self.streams.values():
            self.callee.finish(one, "left")


def _text(value: bytes | str) -> str:
    """Return a field's name or value as text."""
    return value.decode("latin-1") if isinstance(value, bytes) else value
