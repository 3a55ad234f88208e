"""nginx's consistent hash: a ring of CRC-32 positions, as ketama and memcached's clients have it.

The rule is that of ``hash KEY consistent`` (``ngx_http_upstream_hash_module.c``): 160 positions for
each unit of weight, each the CRC-32 of host, a zero byte, port and the position before.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ...errors import PartError
from ...parts import part
from ..rule import Balancer, Make, Pool, Rule, View
from .keyhash import crc32
from .ring import Ring, ring_fields
from .tables import Table, lay_out, whole_weights

__all__ = ["KetamaHash"]

POINTS = 160  # for each unit of weight
BIGGEST = 8_388_608  # of a ring; nginx knows no limit, memory does


def host_and_port(name: str) -> bytes:
    r"""Return what nginx hashes of a server's name: the host, a zero byte, the port.

    Examples
    --------
    >>> host_and_port("10.0.0.1:80"), host_and_port("orders"), host_and_port("unix:/run/a.sock")
    (b'10.0.0.1\x0080', b'orders\x00', b'/run/a.sock\x00')
    """
    if name[:5].lower() == "unix:":
        return name[5:].encode() + b"\0"
    host, colon, port = name.rpartition(":")
    if colon and (not port or (port.isascii() and port.isdigit())):
        return host.encode() + b"\0" + port.encode()
    return name.encode() + b"\0"


@functools.lru_cache(maxsize=8)
def ring(names: tuple[str, ...], weights: tuple[float, ...]) -> Table:
    """Build the ring; of two equal positions the one that was made first stays."""
    counts = [int(weight) * POINTS for weight in weights]
    found = []
    for name, count in zip(names, counts, strict=True):
        start, point = zlib.crc32(host_and_port(name)), 0
        for _ in range(count):
            point = zlib.crc32(point.to_bytes(4, "little"), start)
            found.append(point)
    points, kept = np.unique(np.array(found, dtype=np.uint64), return_index=True)
    return Table(points, np.repeat(np.arange(len(names)), counts)[kept])


@part
class KetamaHash(Balancer):
    """Consistent hashing on nginx's ring (``hash KEY consistent``).

    A key goes to the first of the positions that is not before its CRC-32.  Weights are whole
    numbers; names are taken apart into host and port, as nginx does.

    Examples
    --------
    >>> KetamaHash()
    KetamaHash()
    """

    sees: ClassVar[str] = "the key"
    cost: ClassVar[str] = "O(1)"
    origin: ClassVar[str] = "nginx hash consistent"
    weighs: ClassVar[bool] = True
    hashes: ClassVar[bool] = True

    def hash_key(self, key: str) -> int:
        """Return the CRC-32 of the key."""
        return crc32(key)

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return a ring for each pool; one without those that are away has the same picks."""
        for pool in pools:
            units = sum(whole_weights("KetamaHash", "nginx", pool, BIGGEST // POINTS))
            if units * POINTS > BIGGEST:
                raise PartError(
                    "KetamaHash()",
                    "",
                    f"needs {POINTS} positions for each unit of weight, and the weights of the "
                    f"endpoints add up to {units:,}; they must stay below {BIGGEST // POINTS:,}",
                )
        return Ring(*ring_fields(lay_out(pools, ring), 32, make))
