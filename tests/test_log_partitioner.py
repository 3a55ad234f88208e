"""The rules that place events, against kafka-python's and against what KIP-794 says."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from mesh_lab.messaging.log.murmur import murmur2
from mesh_lab.messaging.log.partitioner import StickyPartitioner, keyed_partition


def test_murmur_is_kafkas() -> None:
    # org.apache.kafka.common.utils.UtilsTest.testMurmur2, as signed numbers
    known = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    }
    for key, signed in known.items():
        assert murmur2(key) == signed % 2**32


def test_keys_go_where_kafka_python_sends_them() -> None:
    pytest.importorskip("kafka", reason="the partitioner is compared with kafka-python's")
    from kafka.cluster import ClusterMetadata
    from kafka.partitioner.default import DefaultPartitioner
    from kafka.partitioner.default import murmur2 as theirs

    class Cluster(ClusterMetadata):
        def __init__(self, partitions: int) -> None:
            self.numbers = set(range(partitions))

        def topics(self, *_: object) -> set[str]:
            return {"t"}

        def partitions_for_topic(self, topic: str) -> set[int]:
            return self.numbers

        available_partitions_for_topic = partitions_for_topic

    rng = random.Random(1)
    clusters = {n: Cluster(n) for n in (1, 2, 3, 12, 50, 1000)}
    sort = DefaultPartitioner()
    for _ in range(5000):
        key = rng.randbytes(rng.randrange(40))
        assert murmur2(key) == theirs(key)
        for n, cluster in clusters.items():
            assert keyed_partition(key, n) == sort.partition("t", None, key, None, None, cluster)


def test_sticky_changes_after_a_batch() -> None:
    sticky = StickyPartitioner(16, random.Random(1).random)
    runs = []
    for event in range(16 * 1000):
        runs.append(sticky.partition(range(8)))
        sticky.produced(1, full=event % 16 == 15)
    batches = [runs[at : at + 16] for at in range(0, len(runs), 16)]
    assert all(len(set(batch)) == 1 for batch in batches)
    # 1000 equally likely draws of 8: chi squared with 7 degrees is above 24.3 once in 1000
    counts = Counter(batch[0] for batch in batches)
    assert sum((counts[p] - 125) ** 2 / 125 for p in range(8)) < 24.3


def test_sticky_waits_for_the_batch_at_hand_but_not_for_ever() -> None:
    draws = iter([0.0, 0.5])
    sticky = StickyPartitioner(4, draws.__next__)
    for _ in range(7):
        assert sticky.partition(range(2)) == 0
        sticky.produced(1, full=False)
    assert sticky.partition(range(2)) == 0
    sticky.produced(1, full=False)  # the eighth: twice the batch
    assert sticky.partition(range(2)) == 1
    sticky = StickyPartitioner(4, iter([0.0, 0.5]).__next__)
    for full in (False, False, False, False, True):
        assert sticky.partition(range(2)) == 0
        sticky.produced(1, full=full)
    assert sticky.partition(range(2)) == 1


def test_sticky_draws_among_those_that_have_a_leader() -> None:
    sticky = StickyPartitioner(1, iter([0.0, 0.99, 0.5]).__next__)
    seen = []
    for available in ([1, 5], [1, 5], [4]):
        seen.append(sticky.partition(available))
        sticky.produced(1, full=True)
    assert seen == [1, 5, 4]
