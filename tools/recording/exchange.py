"""Back ends that know their own index, and one client that sends request after request.

The client counts as many requests in flight as it is told (the window): request i is answered
as soon as request ``i + window`` has reached its back end, and request ``i + window + 1`` is sent
after that answer has arrived.  So what a proxy has outstanding at every pick is known exactly.
Window 0 is strictly one request after the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

from .hosts import LISTS, PORT, HostList

__all__ = ["BackEnds", "record"]

PATIENCE = 10.0  # seconds for one step of one request
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def read_head(reader: asyncio.StreamReader) -> dict[str, str]:
    """Return the header fields of one HTTP/1 message without a body, names in lower case.

    Raises
    ------
    asyncio.IncompleteReadError
        When the peer has closed the connection.
    """
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = dict(line.split(":", 1) for line in lines[1:] if ":" in line)
    head = {name.strip().lower(): value.strip() for name, value in fields.items()}
    return head | {"": lines[0]}


class BackEnds:
    """Every host of every list, in this process; requests are told apart by ``x-number``."""

    def __init__(self) -> None:
        self.reached: dict[str, asyncio.Future[int]] = {}
        self.released: dict[str, asyncio.Future[None]] = {}
        self.open: set[asyncio.StreamWriter] = set()

    async def start(self, until: AsyncExitStack) -> None:
        """Listen on every address; `until` closes them.

        Raises
        ------
        OSError
            When an address is taken: ports are part of what is hashed, so there is no other.
        """
        for hosts in LISTS:
            for index, host in enumerate(hosts.hosts):
                server = await asyncio.start_server(self.serving(index), host, PORT)
                until.callback(server.close)
        until.callback(self.close)

    def close(self) -> None:
        """Close what proxies left open."""
        for writer in self.open:
            writer.close()

    def serving(self, index: int) -> Serving:
        """Return what serves one connection to the back end `index` of its list."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.open.add(writer)
            try:
                while True:
                    head = await read_head(reader)
                    number = head["x-number"]
                    self.reached[number].set_result(index)
                    await self.released[number]
                    writer.write(ANSWER)
                    await writer.drain()
                    if "close" in head.get("connection", ""):
                        break
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                self.open.discard(writer)
                writer.close()

        return serve

    def expect(self, number: str) -> asyncio.Future[int]:
        """Return what becomes the index of the back end that request `number` reaches."""
        loop = asyncio.get_running_loop()
        self.released[number] = loop.create_future()
        self.reached[number] = loop.create_future()
        return self.reached[number]

    def release(self, number: str) -> None:
        """Let the back end that holds request `number` answer it."""
        self.released[number].set_result(None)


async def record(
    back_ends: BackEnds, port: int, host: str, keys: Sequence[str], hosts: HostList, window: int = 0
) -> list[int]:
    """Return which endpoint of `hosts` each request reached.

    Parameters
    ----------
    port, host : int, str
        Where the proxy listens on 127.0.0.1, and the ``Host`` that selects the policy there.
    keys : sequence of str
        The ``x-key`` of each request.
    window : int
        How many requests stay unanswered.
    """
    idle: list[Connection] = []
    waiting: deque[tuple[str, Connection]] = deque()
    picks = []

    async def finish() -> None:
        number, connection = waiting.popleft()
        back_ends.release(number)
        head = await asyncio.wait_for(read_head(connection[0]), PATIENCE)
        if not head[""].startswith("HTTP/1.1 200"):
            raise RuntimeError(f"{host}: request {number} was answered {head['']!r}")
        idle.append(connection)

    for i, key in enumerate(keys):
        number = f"{host}-{i}"
        connection = idle.pop(0) if idle else await asyncio.open_connection("127.0.0.1", port)
        reached = back_ends.expect(number)
        request = f"GET / HTTP/1.1\r\nHost: {host}\r\nx-key: {key}\r\nx-number: {number}\r\n\r\n"
        connection[1].write(request.encode())
        await connection[1].drain()
        picks.append(await asyncio.wait_for(reached, PATIENCE))
        waiting.append((number, connection))
        if len(waiting) > window:
            await finish()
    while waiting:
        await finish()
    for _, writer in idle:
        writer.close()
    if not all(0 <= pick < len(hosts.weights) for pick in picks):
        raise RuntimeError(f"{host}: a pick outside the {len(hosts.weights)} hosts of its list")
    return picks
