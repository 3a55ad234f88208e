"""How far a group has come in each partition: what it has committed, and what is still to come.

The run goes on as long as a group has something to do: every record that is appended is one such
thing, until its offset is committed, or skipped, or cut off.
"""

from __future__ import annotations

from ..post import Post
from .partition import Partition

__all__ = ["Offsets"]


class Offsets:
    """The committed offsets of one group.

    Attributes
    ----------
    committed : list of int or None
        By partition: the offset that a new owner begins with; None before the first commit.
    """

    def __init__(self, post: Post, partitions: list[Partition]) -> None:
        self._post = post
        self.partitions = partitions
        self.committed: list[int | None] = [None] * len(partitions)
        self._settled = [0] * len(partitions)  # nothing below is still to come
        self._closed = False

    def appended(self, count: int) -> None:
        """Note that so many records are still to come."""
        if not self._closed:
            self._post.live += count

    def commit(self, p: int, offset: int) -> None:
        """Commit an offset; a new owner of the partition begins there."""
        self.committed[p] = offset

    def settle(self, p: int, offset: int) -> None:
        """Note that nothing below `offset` is still to come."""
        done = offset - self._settled[p]
        if done > 0:
            self._settled[p] = offset
            self._expect_less(done)

    def move(self, p: int, offset: int) -> None:
        """Commit another offset, perhaps an earlier one, on somebody's demand."""
        back = self._settled[p] - offset
        if back > 0:
            self._settled[p] = offset
            self.appended(back)
        self.commit(p, offset)
        self.settle(p, offset)

    def cut(self, p: int, end: int, before: int) -> None:
        """Note that the records from `end` to `before` are gone."""
        settled = self._settled[p]
        self._settled[p] = min(settled, end)
        self._expect_less(before - max(settled, end))  # what is left is still to come
        committed = self.committed[p]
        if committed is not None and committed > end:
            self.commit(p, end)

    def _expect_less(self, count: int) -> None:
        if count > 0 and not self._closed:
            self._post.live -= count
            self._post.settle()

    def close(self) -> None:
        """Expect nothing any more: nobody is left who would read it."""
        for partition in self.partitions:
            self.settle(partition.number, len(partition.log))
        self._closed = True
