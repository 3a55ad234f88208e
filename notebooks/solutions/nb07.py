"""Solutions and checks of notebook 07: look here after you have tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import comb
from typing import Literal

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes


def careful(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` with a log "orders" that keeps what it confirms."""
    waits = ml.Producer(acks="all", linger=0.0)
    return scenario.replace("orders", producer=waits, min_insync=2, unclean=False)


Outage = tuple[int, float, float]
Acks = Literal["all", 1, 0]


def _careless(*outages: Outage) -> ml.Scenario:
    """Return a shop that sends ten orders a second to a careless log, read from 60 s on."""
    log = ml.Log(
        "orders",
        partitions=1,
        replication=3,
        replica_delay=0.05,
        failover=1.0,
        unclean=True,
        broker_outages=outages,
        producer=ml.Producer(acks=1, linger=0.0),
    )
    warehouse = ml.ConsumerGroup(
        "warehouse",
        source="orders",
        work=ml.Deterministic(value=0.001),
        members=0,
        reset="earliest",
        changes=(ml.JoinGroup(at=60.0, member=0),),
    )
    shop = ml.Renewal("shop", gap=ml.Deterministic(value=0.1), to="orders")
    return ml.Scenario(shop, log, warehouse)


def _with(scenario: ml.Scenario, min_insync: int, unclean: bool, acks: Acks) -> ml.Scenario:
    log = scenario["orders"]
    assert isinstance(log, ml.Log)
    producer = replace(log.producer, acks=acks)
    return scenario.replace("orders", producer=producer, min_insync=min_insync, unclean=unclean)


@exercise(
    "07.careful",
    wrong=[
        lambda scenario: scenario,
        lambda scenario: _with(scenario, 1, False, "all"),
        lambda scenario: _with(scenario, 2, True, "all"),
        lambda scenario: _with(scenario, 2, False, 1),
        lambda scenario: _with(scenario, 3, False, "all"),
        lambda scenario: scenario.replace("orders", replica_delay=0.0),
        lambda scenario: scenario.replace("orders", broker_outages=()),
    ],
)
def check_careful(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """Nothing that was confirmed is missing, and one broker less stops nobody."""

    def rest(scenario: ml.Scenario) -> ml.Scenario:
        producer, insync = ml.Producer(), {"min_insync": 1, "unclean": False}
        return answer(scenario).replace("orders", producer=producer, **insync)

    def ran(*outages: Outage) -> ml.Run:
        return ml.simulate(answer(_careless(*outages)), until=90.0, seed=1)

    def missing(*outages: Outage) -> int:
        run = ran(*outages)
        packed = set(run.deliveries.query("effect")["number"])
        told = run.requests.query("arrival < 60 and outcome == 'ok'").index
        return sum(number not in packed for number in told)

    example = _careless((0, 10.0, 20.0))
    plain = example.replace("orders", producer=ml.Producer(), min_insync=1, unclean=False)
    yield case(
        lambda: rest(example),
        says="everything but producer, min_insync and unclean",
        expected=passes("as it was", lambda scenario: scenario == plain),
    )
    yield case(
        lambda: missing((0, 10.0, 20.0)),
        says="the leader is down from 10 to 20 s: orders confirmed and never packed",
        expected=0,
    )
    yield case(
        lambda: len(ran((2, 5.0, 25.0)).requests.query("arrival < 60.05 and latency < 5")),
        says="broker 2 is down from 5 to 25 s: confirmed within 5 s, of 600 orders",
        expected=600,
    )
    yield case(
        lambda: len(ran((1, 5.0, 45.0), (2, 5.0, 45.0)).requests.query("7 < finish < 40")),
        says="1 and 2 are down from 5 to 45 s: orders that one broker alone has confirmed",
        expected=0,
    )
    yield case(
        lambda: missing((1, 5.0, 18.0), (2, 10.0, 50.0), (0, 15.0, 40.0)),
        says="1 is down from 5 to 18 s, 2 from 10 s, 0 from 15 to 40 s: confirmed, never packed",
        expected=0,
    )


def levels(copies: int, down: float, reads: float) -> tuple[int, int]:
    """Return (R, W): never stale, and with the fewest failed operations."""

    def fails(needed: int) -> float:  # fewer than `needed` are up
        up = range(needed)
        return sum(comb(copies, k) * (1 - down) ** k * down ** (copies - k) for k in up)

    def failed(pair: tuple[int, int]) -> float:
        read, write = pair
        return reads * fails(read) + (1 - reads) * fails(write)

    return min(((r, copies + 1 - r) for r in range(1, copies + 1)), key=failed)


Levels = Callable[[int, float, float], tuple[int, int]]


@exercise(
    "07.levels",
    wrong=[
        lambda copies, down, reads: (copies // 2 + 1, copies // 2 + 1),
        lambda copies, down, reads: (1, 1),
        lambda copies, down, reads: (1, copies),
        lambda copies, down, reads: levels(copies, down, 1 - reads),
        lambda copies, down, reads: levels(copies, 1 - down, reads),
    ],
)
def check_levels(answer: Levels) -> Iterator[Case]:
    """The pairs with R + W = N + 1, by hand."""
    yield case(answer, copies=3, down=0.1, reads=0.5, expected=[2, 2])
    yield case(answer, copies=3, down=0.1, reads=0.99, expected=[1, 3])
    yield case(answer, copies=3, down=0.1, reads=0.02, expected=[3, 1])
    yield case(answer, copies=4, down=0.05, reads=0.2, expected=[3, 2])
    yield case(answer, copies=5, down=0.1, reads=0.95, expected=[2, 4])
    yield case(answer, copies=5, down=0.1, reads=0.999, expected=[1, 5])
    yield case(answer, copies=7, down=0.2, reads=0.9, expected=[3, 5])
