"""Which partition an event goes to: by its key, or batch after batch where it has none.

*Keyed*: ``(murmur2(key) & 0x7fffffff) % partitions``, so that all events of a key are in one
partition, and in order (Kafka's ``BuiltInPartitioner.partitionForKey``).  More partitions place
nearly every key elsewhere.

*Uniform sticky* (KIP-794, ``BuiltInPartitioner.updatePartitionInfo``): events without a key stay
on one partition until a batch has been produced there; then the next partition is drawn, each
equally likely, also the same one again.  While the batch at hand is not full, which happens when
time rather than size closes batches, the switch waits, at most until twice a batch was produced.
The adaptive weights of KIP-794 are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .murmur import murmur2

__all__ = ["StickyPartitioner", "keyed_partition"]


def keyed_partition(key: bytes | str, partitions: int) -> int:
    """Return the partition, from 0 to `partitions` - 1, of the events with this key.

    Text is taken as UTF-8, as Kafka's ``StringSerializer`` does.

    Examples
    --------
    >>> [keyed_partition(key, 12) for key in ("key-0", "key-1", b"key-2")]
    [1, 0, 2]
    """
    if isinstance(key, str):
        key = key.encode()
    return (murmur2(key) & 0x7FFFFFFF) % partitions


class StickyPartitioner:
    """Where a producer's events without a key go.

    Parameters
    ----------
    batch : int
        How much is produced to a partition before the next is drawn (Kafka: ``batch.size``).
    uniform : callable
        Returns the next uniform draw, at least 0 and below 1.

    Examples
    --------
    >>> draws = iter([0.9, 0.1, 0.5])
    >>> sticky = StickyPartitioner(batch=2, uniform=draws.__next__)
    >>> def produce(full):
    ...     chosen = sticky.partition(range(4))
    ...     sticky.produced(1, full=full)
    ...     return chosen
    >>> [produce(full) for full in (False, True, False, True, False)]
    [3, 3, 0, 0, 2]
    """

    def __init__(self, batch: int, uniform: Callable[[], float]) -> None:
        self.batch = batch
        self._uniform = uniform
        self._current: int | None = None
        self._produced = 0

    def partition(self, available: Sequence[int]) -> int:
        """Return the partition of the next event.

        Parameters
        ----------
        available : sequence of int
            The partitions that have a leader (or all, if none has): the next is drawn from them.
            The current one is kept even if it is not among them.
        """
        if self._current is None:
            self._current = available[int(self._uniform() * len(available))]
        return self._current

    def produced(self, amount: int, *, full: bool) -> None:
        """Note that so much went to the current partition, and whether its last batch is full."""
        self._produced += amount
        if (self._produced >= self.batch and full) or self._produced >= 2 * self.batch:
            self._current, self._produced = None, 0
