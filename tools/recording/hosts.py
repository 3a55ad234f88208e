"""The lists of hosts, the keys and the number of requests of every recording.

Addresses and ports are fixed, because a hash ring is made of them: recording again must give
the same ring.  All of 127.0.0.0/8 is loopback on Linux, so each list has its own addresses.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = ["LISTS", "REQUESTS", "HostList", "keys"]

PORT = 8100
REQUESTS = 1000  # of a recording whose picks do not look at a key


@dataclass(frozen=True)
class HostList:
    """Hosts in declared order, one weight each; all addresses lie in one /24 of loopback."""

    name: str
    network: int
    weights: tuple[int, ...]

    @property
    def weighted(self) -> bool:
        """Whether the weights differ."""
        return len(set(self.weights)) > 1

    @property
    def hosts(self) -> tuple[str, ...]:
        """The address of each host, without its port."""
        return tuple(f"127.0.{self.network}.{i + 1}" for i in range(len(self.weights)))

    @property
    def addresses(self) -> tuple[str, ...]:
        """The address of each host as proxies write it, ``IP:PORT``."""
        return tuple(f"{host}:{PORT}" for host in self.hosts)


LISTS = (
    HostList("three", 3, (1, 1, 1)),
    HostList("ten", 10, (1,) * 10),
    HostList("three_weighted", 33, (5, 3, 2)),
    HostList("seven_weighted", 77, (1, 2, 3, 5, 8, 13, 1)),
    HostList("ten_weighted", 110, (4, 4, 2, 7, 1, 1, 9, 3, 6, 2)),
)


def keys() -> list[str]:
    """Return the keys: the numbers 0 to 999, then 250 texts of 1 to 64 characters.

    The numbers are what a simulation hashes; the texts exercise every branch of a hash function
    (xxHash64 reads 32, 8, 4 and 1 bytes at a time).
    """
    texts = []
    for i in range(250):
        digest = hashlib.sha256(f"key {i}".encode()).hexdigest()
        texts.append(digest[: 1 + i % 64] if i < 128 else f"/shops/{digest[:3]}/orders/{i}")
    return [str(number) for number in range(1000)] + texts
