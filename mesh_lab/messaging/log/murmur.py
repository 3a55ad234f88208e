"""MurmurHash2 of 32 bits, as Kafka's Java client computes it: the hash that places keys.

The algorithm is Austin Appleby's; Kafka's seed is 0x9747b28c, m is 0x5bd1e995 and r is 24
(``org.apache.kafka.common.utils.Utils.murmur2``).  Another seed would place every key elsewhere,
so all clients of Kafka that want to agree on partitions use these numbers.
"""

from __future__ import annotations

__all__ = ["murmur2"]

_SEED = 0x9747B28C
_M = 0x5BD1E995
_R = 24
_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """Return the hash of `key`, a whole number from 0 to 2**32 - 1.

    Kafka's Java client has the same bits as a signed number.

    Examples
    --------
    >>> murmur2(b"21") - 2**32  # as in Kafka's own UtilsTest
    -973932308
    """
    length = len(key)
    h = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * _M & _MASK
        k = (k ^ (k >> _R)) * _M & _MASK
        h = h * _M & _MASK ^ k
    if whole < length:
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)
