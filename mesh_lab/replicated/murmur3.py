"""The token of a key, as Cassandra's Murmur3Partitioner makes it.

A token is the first half of the 128-bit MurmurHash3 (the variant for 64-bit machines, seed 0) of
the key's bytes, read as a signed number.  Three things are Cassandra's own: the bytes of an
incomplete last block are signed, so that tokens differ from those of other MurmurHash3 libraries
where one is above 127 (``murmur3.py`` of Cassandra's Python driver); the empty key has the smallest
token; and no other key has that: it gets the largest instead (``Murmur3Partitioner.java``).

Checked against the values that the tests of that driver publish, and against the driver itself on
random keys.
"""

from __future__ import annotations

import struct

__all__ = ["LARGEST", "SMALLEST", "token"]

SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1

_MASK = (1 << 64) - 1
_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F


def token(key: bytes | str) -> int:
    """Return the token of a key, from -2**63 to 2**63 - 1; text is taken as UTF-8.

    Examples
    --------
    >>> token("123")
    -7468325962851647638
    >>> token(b"") == SMALLEST
    True
    """
    data = key.encode() if isinstance(key, str) else key
    if not data:
        return SMALLEST
    first = _first_half(data)
    signed = first - (1 << 64) if first >> 63 else first
    return LARGEST if signed == SMALLEST else signed


def _first_half(data: bytes) -> int:
    h1 = h2 = 0
    whole = len(data) & ~15
    for k1, k2 in struct.iter_unpack("<QQ", data[:whole]):
        h1 ^= _mixed(k1, _C1, 31, _C2)
        h1 = ((_turned(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= _mixed(k2, _C2, 33, _C1)
        h2 = ((_turned(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    rest = data[whole:]
    if len(rest) > 8:
        h2 ^= _mixed(_signed_bytes(rest[8:]), _C2, 33, _C1)
    if rest:
        h1 ^= _mixed(_signed_bytes(rest[:8]), _C1, 31, _C2)
    h1 ^= len(data)
    h2 ^= len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    return (_finished(h1) + _finished(h2)) & _MASK


def _signed_bytes(data: bytes) -> int:
    """Return little-endian bytes joined as Java joins its bytes, which are signed, by ``^``."""
    joined = 0
    for i, byte in enumerate(data):
        joined ^= (byte - 256 if byte > 127 else byte) << 8 * i
    return joined & _MASK


def _turned(x: int, bits: int) -> int:
    return (x << bits | x >> 64 - bits) & _MASK


def _mixed(k: int, before: int, bits: int, after: int) -> int:
    return _turned(k * before & _MASK, bits) * after & _MASK


def _finished(h: int) -> int:
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCD & _MASK
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return h ^ h >> 33
