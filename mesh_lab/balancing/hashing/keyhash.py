"""Hash functions as the proxies compute them: of a request's key and of an endpoint's name.

* xxHash64, by the library ``xxhash``: Envoy for every key and by default for names, gRPC too.
* MurmurHash2 of 64 bits with the seed of GCC's ``std::hash``: Envoy for names on request
  (``source/common/common/hash.cc``).
* CRC-32, which is zlib's: nginx (``ngx_http_upstream_hash_module.c``).
* sdbm, and Bob Jenkins' avalanche over it: HAProxy (``src/hash.c``, ``full_hash`` in
  ``standard.h``).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Hash64", "avalanche", "crc32", "murmur2", "murmur2_all", "sdbm", "xxh64", "xxh64_all"]

Hash64 = npt.NDArray[np.uint64]

ALL_64 = 2**64 - 1
ALL_32 = 2**32 - 1
MURMUR_FACTOR = 0xC6A4A7935BD1E995
STD_HASH_SEED = 0xC70F6907


def _library() -> Callable[..., int]:
    try:
        from xxhash import xxh64_intdigest
    except ImportError as missing:
        raise ImportError(
            "hashing keys needs the package xxhash, which is not installed: pip install xxhash"
        ) from missing
    return xxh64_intdigest


def xxh64(text: str, seed: int = 0) -> int:
    """Return xxHash64 of `text`, as UTF-8.

    Examples
    --------
    >>> xxh64("foo")
    3728699739546630719
    """
    return _library()(text.encode(), seed)


def xxh64_all(texts: Sequence[str], seed: int = 0) -> Hash64:
    """Return xxHash64 of each of `texts`."""
    digest = _library()
    return np.fromiter((digest(text.encode(), seed) for text in texts), np.uint64, len(texts))


def murmur2(text: str, seed: int = STD_HASH_SEED) -> int:
    """Return the 64-bit MurmurHash2 of `text`, as UTF-8.

    Examples
    --------
    >>> murmur2("foo")
    9631199822919835226
    """
    data = text.encode()
    value = seed ^ (len(data) * MURMUR_FACTOR & ALL_64)
    whole = len(data) - len(data) % 8
    for at in range(0, whole, 8):
        word = int.from_bytes(data[at : at + 8], "little") * MURMUR_FACTOR & ALL_64
        word = (word ^ word >> 47) * MURMUR_FACTOR & ALL_64
        value = (value ^ word) * MURMUR_FACTOR & ALL_64
    if whole < len(data):
        value = (value ^ int.from_bytes(data[whole:], "little")) * MURMUR_FACTOR & ALL_64
    value = (value ^ value >> 47) * MURMUR_FACTOR & ALL_64
    return value ^ value >> 47


def murmur2_all(texts: Sequence[str], seed: int = STD_HASH_SEED) -> Hash64:
    """Return the 64-bit MurmurHash2 of each of `texts`: those of one length at a time."""
    data = [text.encode() for text in texts]
    lengths = np.array([len(one) for one in data], dtype=np.int64)
    found = np.empty(len(data), dtype=np.uint64)
    for length in np.unique(lengths).tolist():
        where = np.flatnonzero(lengths == length)
        words = -(-length // 8)
        padded = np.zeros((where.size, words * 8), dtype=np.uint8)
        joined = b"".join(data[i] for i in where.tolist())
        padded[:, :length] = np.frombuffer(joined, dtype=np.uint8).reshape(where.size, length)
        found[where] = _murmur2_of(padded.view("<u8"), length, seed)
    return found


def _murmur2_of(words: Hash64, length: int, seed: int) -> Hash64:
    """Hash the rows of `words`; the last word of a row is filled up with zeros."""
    factor, shift = np.uint64(MURMUR_FACTOR), np.uint64(47)
    start = seed ^ (length * MURMUR_FACTOR & ALL_64)
    value = np.full(len(words), start, dtype=np.uint64)
    for k in range(words.shape[1]):
        word = words[:, k]
        if 8 * (k + 1) <= length:  # a last word that is not whole is not mixed
            word = word * factor
            word = (word ^ (word >> shift)) * factor
        value = (value ^ word) * factor
    value = (value ^ (value >> shift)) * factor
    return value ^ (value >> shift)


def crc32(text: str) -> int:
    """Return the CRC-32 of `text`, as UTF-8.

    Examples
    --------
    >>> hex(crc32("123456789"))
    '0xcbf43926'
    """
    return zlib.crc32(text.encode())


def sdbm(text: str) -> int:
    """Return HAProxy's default hash of `text`, 32 bits.

    Examples
    --------
    >>> sdbm("a"), sdbm("ab") == 97 * 65599 + 98
    (97, True)
    """
    value = 0
    for byte in text.encode():
        value = (byte + value * 65599) & ALL_32  # 65599 = 2**6 + 2**16 - 1
    return value


def avalanche(value: int) -> int:
    """Return `value` (32 bits) spread over all of 32 bits: HAProxy's ``full_hash``."""
    a = (value + 0x7ED55D16 + (value << 12)) & ALL_32
    a = a ^ 0xC761C23C ^ (a >> 19)
    a = (a + 0x165667B1 + (a << 5)) & ALL_32
    a = ((a + 0xD3A2646C) ^ (a << 9)) & ALL_32
    a = (a + 0xFD7046C5 + (a << 3)) & ALL_32
    a = a ^ 0xB55A4F09 ^ (a >> 16)
    return a * 3221225473 & ALL_32
