"""How callers connect to a service: one request at a time on a connection, or many; who is asked.

====================  ==============================================================================
`balance`             what happens
====================  ==============================================================================
``"request"``         the balancer picks an endpoint for every request, and a connection to that
                      endpoint carries it (a proxy that understands the protocol)
``"connection"``      the balancer picks an endpoint for every new *connection*; the requests go
                      where the connection goes (kube-proxy, which sees only packets)
====================  ==============================================================================

On HTTP/1.1 a connection carries one request at a time; HTTP/2, and so gRPC, carries many as
streams.  A request takes the connection that was opened first among those with room.  If there is
none, it waits, and so many connections are opened as those who wait need, as long as there may be
more; whoever has waited longest takes the next room, wherever that is (Envoy:
``conn_pool_base.cc``).  So before the first connection is up, all requests wait, and count as
pending.  A connection that takes no time (`connect` is not declared) is there at once: then those
wait only for whom no connection may be opened.

Limits (`Limits`) are looked at as in Envoy: that of pending requests when one has to wait, that of
requests when it gets its connection, however long it has waited for it.

A stream that its caller closes (a timeout) ends the connection on HTTP/1.1, and nothing else on
HTTP/2.
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le

from ..distributions import Distribution
from ..parts import Count, SomeSeconds, part

__all__ = ["Connections"]


@part
class Connections:
    """The connections of a caller's proxy to a service.

    Parameters
    ----------
    protocol : str
        ``"http1"``: one request at a time; ``"http2"``: many, also for gRPC.
    balance : str
        ``"request"`` or ``"connection"``, see `mesh_lab.stations.connections`.
    most : int, optional
        How many connections a proxy has at most: with ``"request"`` to each endpoint, with
        ``"connection"`` to the service.  None: as many as are needed; that is 1 on HTTP/2 without
        `streams`.
    streams : int, optional
        How many requests one connection carries at a time on HTTP/2; None: any number.
    connect : float, Distribution or None
        Seconds that a new connection takes before it carries anything: TCP's and TLS's handshakes.
    lifetime : float, optional
        Seconds after which a connection takes nothing new (gRPC's maximum connection age), from
        when it is up.

    Examples
    --------
    >>> Connections(protocol="http2", balance="connection", connect=0.002)
    Connections(balance='connection', connect=0.002)
    """

    protocol: Literal["http1", "http2"] = "http2"
    balance: Literal["request", "connection"] = "request"
    most: Count | None = None
    streams: Count | None = None
    connect: Annotated[float, Ge(0), Le(1e100)] | Distribution | None = None
    lifetime: SomeSeconds | None = None

    def __post_init__(self) -> None:
        if self.protocol == "http1" and self.streams is not None:
            raise ValueError(
                f"streams is {self.streams}, but on HTTP/1.1 a connection carries one request at a "
                "time; leave streams out, or take protocol='http2'"
            )

    @property
    def carries(self) -> int | None:
        """How many requests a connection carries at a time; None: any number."""
        return 1 if self.protocol == "http1" else self.streams
