"""Solutions and checks of notebook 05: look here after you have tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes


def noticed_within(scenario: ml.Scenario, seconds: float) -> ml.Scenario:
    """Return `scenario`, in which a crash stops no partition for longer than `seconds`."""
    # at worst: a whole session timeout, and then a whole heartbeat, which is a third of it
    return scenario.replace("billing", session_timeout=0.75 * seconds, heartbeat=0.25 * seconds)


def _crash(at: float = 20.1) -> ml.Scenario:
    """Return a scenario in which one of two members crashes."""
    return ml.Scenario(
        ml.Renewal("shop", gap=ml.Deterministic(value=0.25), key=ml.Keys(100), to="orders"),
        ml.Log("orders", partitions=4, producer=ml.Producer(linger=0.0)),
        ml.ConsumerGroup(
            "billing",
            source="orders",
            members=2,
            work=ml.Deterministic(value=0.001),
            commit="with",
            changes=(ml.CrashMember(at=at, member=1),),
        ),
    )


@exercise(
    "05.noticed_within",
    wrong=[
        lambda scenario, seconds: scenario.replace(
            "billing", session_timeout=seconds, heartbeat=seconds / 3
        ),
        lambda scenario, seconds: scenario.replace("billing", session_timeout=seconds),
        lambda scenario, seconds: scenario.replace(
            "billing", session_timeout=seconds / 2, heartbeat=seconds / 6
        ),
        lambda scenario, seconds: scenario.replace("billing", session_timeout=30.0, heartbeat=10.0),
    ],
)
def check_noticed_within(answer: Callable[[ml.Scenario, float], ml.Scenario]) -> Iterator[Case]:
    """The session timeout and a heartbeat, and not more."""

    def rest(scenario: ml.Scenario) -> ml.Scenario:
        return answer(scenario, 40.0).replace("billing", session_timeout=45.0, heartbeat=3.0)

    def timeouts(seconds: float) -> dict[str, object]:
        group = answer(_crash(), seconds)["billing"]
        return {
            "session_timeout": round(float(getattr(group, "session_timeout", 0.0)), 3),
            "heartbeat": round(float(getattr(group, "heartbeat", 0.0)), 3),
        }

    yield case(
        lambda: rest(_crash()),
        says="everything but session_timeout and heartbeat",
        expected=passes("as it was", lambda scenario: scenario == _crash()),
    )
    for seconds, at in ((40.0, 20.1), (40.0, 29.9), (8.0, 20.1)):
        yield case(
            lambda at=at, seconds=seconds: _longest(answer(_crash(at), seconds)) <= seconds,
            says=f"after a crash at {at:g} s, every order is read within {seconds:g} s",
            expected=True,
        )
    yield case(
        lambda: timeouts(40.0),
        says="timeouts for 40 s",
        expected={"session_timeout": 30.0, "heartbeat": 10.0},
    )
    yield case(
        lambda: timeouts(8.0),
        says="timeouts for 8 s",
        expected={"session_timeout": 6.0, "heartbeat": 2.0},
    )


def _longest(scenario: ml.Scenario) -> float:
    rows = ml.simulate(scenario, until=120.0, seed=1).deliveries
    return float((rows["delivered"] - rows["sent"]).max())


def fewest_partitions(rates: Mapping[str, float], most: float) -> int | None:
    """Return the smallest number of partitions of which none gets more than `most` orders/s."""
    if rates and max(rates.values()) > most:
        return None
    count = 1
    while _fullest(rates, count) > most:
        count += 1
    return count


def _fullest(rates: Mapping[str, float], count: int) -> float:
    loads = [0.0] * count
    for key, rate in rates.items():
        loads[ml.keyed_partition(key.encode(), count)] += rate
    return max(loads)


def _by_the_mean(rates: Mapping[str, float], most: float) -> int | None:
    if rates and max(rates.values()) > most:
        return None
    return max(1, math.ceil(sum(rates.values()) / most))


def _never_none(rates: Mapping[str, float], most: float) -> int:
    return next((n for n in range(1, 100) if _fullest(rates, n) <= most), 100)


def _by_doubling(rates: Mapping[str, float], most: float) -> int | None:
    if rates and max(rates.values()) > most:
        return None
    return next(1 << n for n in range(12) if _fullest(rates, 1 << n) <= most)


@exercise("05.fewest_partitions", wrong=[_by_the_mean, _never_none, _by_doubling])
def check_fewest_partitions(
    answer: Callable[[Mapping[str, float], float], int | None],
) -> Iterator[Case]:
    """Hashes collide, and a hot key stays one (expected: with kafka-python's murmur2)."""
    one = {"ann": 3.0}
    yield case(answer, one, 3.0, expected=1)
    yield case(answer, one, 2.0, expected=None)
    two = {"ann": 3.0, "bob": 3.0}  # together of 2 partitions, apart of 3
    yield case(answer, two, 6.0, expected=1)
    yield case(answer, two, 3.0, expected=3)
    twelve = {f"key-{k}": 1.0 for k in range(12)}
    for most, partitions in ((6.0, 3), (4.0, 4), (2.0, 12), (0.5, None)):
        yield case(
            lambda most=most: answer(twelve, most),
            says=f"key-0 to key-11, 1 order/s each, of which a member can do {most:g}",
            expected=partitions,
        )
    star = {"star-0": 15.0} | {f"key-{k}": 2.0 for k in range(20)}
    for most, partitions in ((20.0, 7), (15.0, 9), (14.0, None)):
        yield case(
            lambda most=most: answer(star, most),
            says=f"star-0, 15 orders/s, and key-0 to key-19, 2 each; a member can do {most:g}",
            expected=partitions,
        )
