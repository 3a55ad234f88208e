"""What happened to a cluster: one row an operation, and the counts that people ask for.

A share has an interval by batch means, because one outage fails many operations in a row.  Where
nothing, or everything, was of the kind, batches say nothing: then the limit is that of a binomial
share, 1 - (alpha/2)**(1/n) away, which takes operations for independent; the note says so.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ScenarioError
from .cluster import Cluster
from .history import OK, OUTCOMES, Operation

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ClusterRun"]


class ClusterRun:
    """The record of one run of a cluster.

    Attributes
    ----------
    cluster : Cluster
        What was run.
    seed : int
        The seed it was run with.
    duration : float
        Seconds from the start to the last event (or to `until`).
    """

    def __init__(
        self,
        cluster: Cluster,
        seed: int,
        duration: float,
        operations: list[Operation],
        data: list[dict[str, Operation]],
    ) -> None:
        self.cluster = cluster
        self.seed = seed
        self.duration = duration
        self._operations = operations
        self._data = data

    @cached_property
    def operations(self) -> pd.DataFrame:
        """One row an operation, in the order in which they began.

        Columns
        -------
        kind : str
            ``"write"`` or ``"read"``.
        source, number : str, int
            Its identity.
        key : str
            What it wrote or read.
        coordinator : str
            The node; ``""`` where none was up.
        arrival, finish, latency : float
            Seconds; NaN for what has not ended.
        outcome : str
            ``"ok"``; ``"unavailable"``: too few replicas seemed alive, and nothing was sent;
            ``"timeout"``: too few answered in time; ``"crashed"``: the coordinator failed;
            ``"in_flight"``.
        version : int
            The number of the write that was written or read; -1 where nothing was.
        replicas : int
            How many replicas a write has reached at the end, by whatever way, also one that
            failed; how many have answered a read.
        stale, lost : bool
            See `mesh_lab.replicated.history`; a write is not stale, and a read not lost.
        """
        import pandas as pd

        rows = self._operations
        names = (*self.cluster.names, "")
        finish = np.array([one.finish for one in rows], dtype=np.float64)
        arrival = np.array([one.arrival for one in rows], dtype=np.float64)
        return pd.DataFrame(
            {
                "kind": ["write" if one.write else "read" for one in rows],
                "source": [one.source for one in rows],
                "number": np.array([one.number for one in rows], dtype=np.int64),
                "key": [one.key for one in rows],
                "coordinator": [names[one.coordinator] for one in rows],
                "arrival": arrival,
                "finish": finish,
                "latency": finish - arrival,
                "outcome": [OUTCOMES[one.outcome] for one in rows],
                "version": np.array([_version(one) for one in rows], dtype=np.int64),
                "replicas": np.array(
                    [one.received.bit_count() if one.write else len(one.replies) for one in rows],
                    dtype=np.int64,
                ),
                "stale": np.array([one.stale for one in rows], dtype=bool),
                "lost": np.array([one.lost for one in rows], dtype=bool),
            }
        )

    def stored(self, key: str) -> dict[str, int]:
        """Return the number of the write that each replica of a key holds at the end; -1: none.

        Examples
        --------
        >>> import mesh_lab as ml
        >>> run = ml.replicated.simulate(
        ...     ml.Cluster("db", nodes=4, changes=(ml.Fail(at=0.0, endpoint="db-1"),)),
        ...     writes=ml.Poisson("writes", rate=1.0, to="db"), keys=ml.Keys(1), requests=3, seed=1,
        ... )
        >>> run.stored("key-0")
        {'db-2': 2, 'db-3': 2, 'db-1': -1}
        """
        held = {}
        for name in self.cluster.replicas(key):
            write = self._data[self.cluster.names.index(name)].get(key)
            held[name] = -1 if write is None else write.number
        return held

    def report(self, confidence: float = 0.95) -> pd.DataFrame:
        """Return how much failed, was stale, and was lost.

        Parameters
        ----------
        confidence : float
            Of the intervals, between 0 and 1.

        Returns
        -------
        DataFrame
            One row each: ``failed writes`` and ``failed reads`` (all that ended, but not ``ok``),
            of which by outcome ``unavailable``, ``timeout`` and ``crashed``; ``written though
            failed`` (of the failed writes, those that reached a replica all the same); ``stale
            reads`` (of those that were ``ok``); ``lost updates`` (of the confirmed writes).
            Columns: `count`; `of` how many; their `share`, and its interval `low` to `high` (NaN
            where there is nothing to take a share of); `note`, what to know of the interval.

        Raises
        ------
        ScenarioError
            For an impossible confidence.
        """
        import pandas as pd

        if not 0.0 < confidence < 1.0:
            raise ScenarioError(f"confidence is {confidence!r}, but must be between 0 and 1")
        writes = [one for one in self._operations if one.write and one.outcome]
        reads = [one for one in self._operations if not one.write and one.outcome]
        rows: dict[str, dict[str, Any]] = {}
        for kind, ended in (("writes", writes), ("reads", reads)):
            outcome = np.array([one.outcome for one in ended], dtype=np.int64)
            rows[f"failed {kind}"] = _share(outcome != OK, confidence)
            for word in ("unavailable", "timeout", "crashed"):
                rows[f"{word} {kind}"] = _share(outcome == OUTCOMES.index(word), confidence)
        bad = [one for one in writes if one.outcome != OK]
        rows["written though failed"] = _share(_flags(bad, "received"), confidence)
        rows["stale reads"] = _share(
            _flags([one for one in reads if one.outcome == OK], "stale"), confidence
        )
        rows["lost updates"] = _share(
            _flags([one for one in writes if one.outcome == OK], "lost"), confidence
        )
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("what")

    def __repr__(self) -> str:
        count = len(self._operations)
        return f"ClusterRun({count} operations, {self.duration:.6g} s, seed={self.seed})"


def _version(operation: Operation) -> int:
    if operation.write:
        return operation.number
    done = operation.outcome == OK
    return operation.version.number if done and operation.version is not None else -1


def _flags(operations: list[Operation], name: str) -> NDArray[np.bool_]:
    return np.array([bool(getattr(one, name)) for one in operations], dtype=bool)


def _share(flags: NDArray[np.bool_], confidence: float) -> dict[str, Any]:
    from ..statistics import batch_means

    n, count = len(flags), int(flags.sum())
    row: dict[str, Any] = {"count": count, "of": n, "share": np.nan, "low": np.nan, "high": np.nan}
    if n == 0:
        return {**row, "note": "nothing to take a share of"}
    if count in (0, n):
        away = 1.0 - ((1.0 - confidence) / 2.0) ** (1.0 / n)
        low, high = (0.0, away) if count == 0 else (1.0 - away, 1.0)
        note = "binomial limit, as if operations were independent"
    else:
        interval = batch_means(flags.astype(np.float64), confidence)
        low, high, note = max(0.0, interval.low), min(1.0, interval.high), interval.note
    return {**row, "share": count / n, "low": low, "high": high, "note": note}
