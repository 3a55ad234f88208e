"""A partition and an independent account of its rules, through random failures and copies.

The partition keeps one list of records and the end of each replica; the account keeps what each
replica holds, as Kafka's brokers do, and cuts off what differs when another leads.
"""

from __future__ import annotations

import random

from mesh_lab.messaging.log.partition import Partition
from mesh_lab.messaging.message import Message


class Account:
    """The same rules once more, with a list of what it holds for each broker."""

    def __init__(self, brokers: int) -> None:
        self.held: dict[int, list[int]] = {broker: [] for broker in range(brokers)}
        self.alive, self.isr, self.waited = set(self.held), set(self.held), set[int]()
        self.leader: int | None = 0
        self.high = self.start = 0

    def advance(self) -> None:
        if self.leader is not None:
            least = min(len(self.held[broker]) for broker in self.isr | self.waited)
            self.high = max(self.high, least)

    def append(self, number: int) -> None:
        assert self.leader is not None
        self.held[self.leader].append(number)
        self.advance()

    def copy(self, broker: int, upto: int) -> None:
        assert self.leader is not None
        self.held[broker] += self.held[self.leader][len(self.held[broker]) : upto]
        if broker not in self.isr:
            behind = len(self.held[broker]) < self.high or len(self.held[broker]) < self.start
            (self.waited if behind else self.isr).add(broker)
        if broker in self.isr:
            self.waited.discard(broker)
        self.advance()

    def fail(self, broker: int) -> None:
        self.alive.discard(broker)
        self.waited.discard(broker)
        if self.isr != {broker}:
            self.isr.discard(broker)
        self.advance()
        if broker == self.leader:
            self.elect()

    def elect(self) -> None:
        self.leader = min(self.alive & self.isr, default=None)
        if self.leader is None:
            return
        mine = self.held[self.leader]
        for broker, held in self.held.items():  # cut off from where it differs
            same = [a == b for a, b in zip(held, mine, strict=False)]
            self.held[broker] = held[: [*same, False].index(False)]
        self.waited.clear()
        self.start = len(mine)
        self.advance()


def held_by_leader(p: Partition) -> list[int]:
    assert p.leader is not None
    return [record.message.number for record in p.log[: p.ends[p.leader]]]


def test_a_partition_equals_an_independent_account() -> None:
    joined = cut = 0
    for seed in range(1, 201):
        rng = random.Random(seed)
        brokers = rng.randrange(1, 5)
        p, account = Partition(0, range(brokers)), Account(brokers)
        safe: list[int] = []
        for step in range(100):
            broker, leader = rng.randrange(brokers), account.leader
            before = len(account.isr)
            kind = rng.choice(["append", "append", "copy", "copy", "copy", "fail", "back"])
            if kind == "append" and leader is not None:
                p.append([Message("s", step)], producer=0)
                account.append(step)
            elif kind == "copy" and leader not in (None, broker) and broker in account.alive:
                upto = rng.randrange(len(p.log) + 1)
                p.copied(broker, upto)
                account.copy(broker, upto)
                joined += len(account.isr) > before
            elif kind == "fail" and broker in account.alive:
                p.shrink(broker)
                account.fail(broker)
                if broker == leader:
                    cut += len(p.elect(account.alive))
            elif kind == "back":
                account.alive.add(broker)
                if leader is None:
                    cut += len(p.elect(account.alive))
                    account.elect()
            assert (p.leader, set(p.isr), p.high) == (account.leader, account.isr, account.high)
            for each, held in account.held.items():
                assert [r.message.number for r in p.log[: p.ends[each]]] == held
            if p.leader is not None:  # what all in sync had stays, whoever leads
                assert held_by_leader(p)[: len(safe)] == safe
                safe = held_by_leader(p)[: p.high]
    assert joined > 100  # it was tried
    assert cut > 100
