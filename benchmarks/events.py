"""What is measured where events travel: a partitioned log and its group, a queue and its consumers.

The log has 12 partitions, one for each member, keyed events and batches that linger for 5 ms.  How
much work there is for each event hangs on how full batches are: at 100 events/s to a partition
there is one in most, at 1000/s there are six.
"""

from __future__ import annotations

from dataclasses import dataclass

import mesh_lab as ml

from .plain_events import queue
from .plain_log import log
from .workloads import LOAD, Workload

__all__ = ["EVENTS", "EventWorkload"]

PARTITIONS, LOG_KEYS, CONSUMERS = 12, 1_000, 10


@dataclass(frozen=True)
class EventWorkload(Workload):
    """One line of the table; `rate` is that of the log, events/s, or 0 for the queue.

    A bar of 0 is none.
    """

    rate: float = 0.0

    def plain(self, requests: int, seed: int) -> object:
        """Run the plain script."""
        if not self.rate:
            return queue(requests, load=LOAD, consumers=CONSUMERS, seed=seed)
        rules = ml.Producer()
        return log(
            requests,
            rate=self.rate,
            work=self.work,
            keys=LOG_KEYS,
            partitions=PARTITIONS,
            batch=rules.batch,
            linger=rules.linger,
            commit_interval=5.0,
            seed=seed,
        )

    @property
    def work(self) -> float:
        """The mean seconds of work an event."""
        return LOAD * PARTITIONS / self.rate

    def scenario(self, endpoints: int = 0) -> ml.Scenario:
        """Return the scenario for the engines."""
        if not self.rate:
            return ml.Scenario(
                ml.Poisson("a", rate=LOAD * CONSUMERS, to="q"),
                ml.MessageQueue("q"),
                ml.Consumer("c", source="q", workers=CONSUMERS, work=ml.Exponential(mean=1.0)),
            )
        return ml.Scenario(
            ml.Poisson("a", rate=self.rate, to="l", key=ml.Keys(LOG_KEYS)),
            ml.Log("l", partitions=PARTITIONS),
            ml.ConsumerGroup(
                "g",
                source="l",
                members=PARTITIONS,
                work=ml.Exponential(mean=self.work),
                reset="earliest",
            ),
        )


EVENTS = (
    EventWorkload("log, 1 200 events/s", bar=50.0, simpy_bar=1.5, rate=1_200.0),
    EventWorkload("log, 12 000 events/s", bar=0.0, simpy_bar=0.0, rate=12_000.0),
    EventWorkload("queue, 10 consumers", bar=50.0, simpy_bar=0.0),
)
