"""Random scenarios with every fault at once keep the promises of their guarantee.

Each test runs seeds 0, 1, 2, ... of `random_scenario`; what the scenarios covered is asserted too.
"""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest

import mesh_lab as ml

SEEDS = range(60)


def chance(rng: random.Random, most: float) -> float:
    return rng.choice([0.0, rng.uniform(0.0, most)])


def random_link(rng: random.Random, *, duplicate: bool = True, drop: bool = True) -> ml.Link | None:
    if rng.random() < 0.3:
        return None
    delay = rng.choice([None, 0.25, ml.Exponential(mean=rng.choice([0.05, 0.5]))])
    return ml.Link(
        delay=delay,
        drop=chance(rng, 0.3) if drop else 0.0,
        duplicate=chance(rng, 0.3) if duplicate else 0.0,
    )


def random_times(rng: random.Random, most: int) -> tuple[tuple[float, float], ...]:
    times = sorted({0.5 * rng.randrange(1, 80) for _ in range(2 * rng.randrange(most + 1))})
    return tuple(zip(times[::2], times[1::2], strict=False))


def random_scenario(
    rng: random.Random,
    *,
    queue: dict[str, Any] | None = None,
    consumer: dict[str, Any] | None = None,
    lossless: bool = False,
    doubling: bool = True,
) -> ml.Scenario:
    """A topic or a queue, one to three consumers, and faults of all kinds.

    With `lossless`, nothing that the queue promises to keep may be lost: it is durable and never
    full, nothing expires, and events do not die.
    """
    # with a visibility below the time in its consumer's hands, an event may go round for ever
    visibility = rng.choice([None, 8.0, 40.0] if lossless else [None, 0.7, 2.0, 6.0])
    retry = None if rng.random() < 0.4 else ml.Backoff(base=0.5, cap=4.0, jitter="full")
    topic = rng.random() < 0.4
    link = random_link(rng, duplicate=doubling)
    if not doubling:
        retry = None  # a lost confirmation doubles
    restarts = random_times(rng, 2)
    fields: dict[str, Any] = {
        "visibility": visibility,
        "order": rng.choice(["fifo", "priority", "key"]),
        "delay": rng.choice([0.0, 0.0, 1.0]),
        "backoff": rng.choice([None, ml.Backoff(base=0.2, cap=2.0, jitter="equal")]),
        "restarts": restarts,
        **({} if topic else {"link": link, "retry": retry}),
    }
    if not lossless:
        fields |= {
            "ttl": rng.choice([None, 5.0]),
            "capacity": rng.choice([None, 3]),
            "delivery_limit": rng.choice([1, 4, 20]),
            "dead_letter": rng.choice([None, "dead"]),
            "durable": not restarts or rng.random() < 0.5,
            "deduplication": rng.choice([None, 3.0]),
        }
    parts: list[Any] = [
        ml.Poisson(
            "shop", rate=3.0, to="news" if topic else "q", key=ml.Keys(4),
            priority={0: 0.5, 1: 0.5},
        ),
        ml.MessageQueue("q", topic="news" if topic else None, **{**fields, **(queue or {})}),
        ml.MessageQueue("dead"),
    ]  # fmt: skip
    if topic:
        parts.append(ml.Topic("news", link=link, retry=retry))
    for i in range(rng.randrange(1, 4)):
        parts.append(
            ml.Consumer(
                f"c{i}",
                source="q",
                **{
                    "work": rng.choice([ml.Deterministic(value=0.5), ml.Exponential(mean=0.4)]),
                    "workers": rng.randrange(1, 4),
                    "prefetch": rng.choice([1, 3, 3 if lossless else None]),
                    "failure": chance(rng, 0.3),
                    "outages": random_times(rng, 2),
                    "link": random_link(
                        rng, duplicate=doubling, drop=fields["visibility"] is not None
                    ),
                    **(consumer or {}),
                },
            )
        )
    return ml.Scenario(*parts)


def simulated(scenario: ml.Scenario, seed: int) -> tuple[ml.Run, pd.DataFrame]:
    run = ml.simulate(scenario, requests=40, seed=seed)
    run.check_invariants()
    return run, run.deliveries


def effects(rows: pd.DataFrame) -> pd.Series:
    """How often each event had an effect at the queue q."""
    return (
        rows[rows["subscriber"] == "q"].groupby(["source", "number"], observed=True)["effect"].sum()
    )


def test_acknowledged_after_and_durable_no_confirmed_event_is_lost() -> None:
    doubled = crashed = 0
    for seed in SEEDS:
        scenario = random_scenario(random.Random(seed), lossless=True)
        run, rows = simulated(scenario, seed)
        times = effects(rows)
        confirmed = run.requests.index[run.requests["outcome"] == "ok"]
        by_number = times.droplevel(0)
        assert all(by_number[n] >= 1 for n in confirmed), seed
        assert not (rows["outcome"] == "in_flight").any(), seed
        doubled += int((times > 1).sum())
        crashed += int((rows["outcome"] == "crashed").sum())
    assert doubled > 100
    assert crashed > 100


def test_acknowledged_before_no_event_is_handled_twice() -> None:
    lost = 0
    for seed in SEEDS:
        scenario = random_scenario(random.Random(seed), consumer={"ack": "before"}, doubling=False)
        run, rows = simulated(scenario, seed)
        assert effects(rows).max() <= 1, seed
        lost += len(run.lost("q"))
    assert lost > 100


def test_an_idempotent_consumer_has_every_effect_exactly_once() -> None:
    skipped = 0
    for seed in SEEDS:
        scenario = random_scenario(
            random.Random(seed), consumer={"deduplication": "forever"}, lossless=True
        )
        run, rows = simulated(scenario, seed)
        times = effects(rows).droplevel(0)
        confirmed = run.requests.index[run.requests["outcome"] == "ok"]
        assert all(times[n] == 1 for n in confirmed), seed
        assert times.max() == 1, seed
        skipped += int((rows["outcome"] == "duplicate").sum())
    assert skipped > 500


@pytest.mark.parametrize("order", ["key", "fifo"])
def test_order_by_key_is_kept(order: Any) -> None:
    """Where the way to the queue keeps order, and events stay hidden while they are handled."""
    late = crashed = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        scenario = ml.Scenario(
            ml.Poisson("shop", rate=3.0, to="q", key=ml.Keys(4)),
            ml.MessageQueue(
                "q", order=order, visibility=rng.choice([None, 60.0]),
                restarts=random_times(rng, 1),
                backoff=rng.choice([None, ml.Backoff(base=0.2, cap=2.0, jitter="equal")]),
                retry=ml.Backoff(base=100.0, growth="fixed"),
            ),
            *(
                ml.Consumer(
                    f"c{i}", source="q", work=ml.Exponential(mean=0.4), workers=2,
                    failure=chance(rng, 0.3), outages=random_times(rng, 2), prefetch=3,
                    link=ml.Link(delay=ml.Exponential(mean=0.1)),
                )
                for i in range(rng.randrange(1, 4))
            ),
        )  # fmt: skip
        if any(start <= 30.0 for start, _ in scenario["q"].restarts):  # they would reorder
            scenario = scenario.replace("q", restarts=())
        run, rows = simulated(scenario, seed)
        late += len(run.reordered("q"))
        crashed += int((rows["outcome"] == "crashed").sum())
    assert crashed > 50
    assert late == 0 if order == "key" else late > 100


def test_every_copy_ends_or_is_in_flight() -> None:
    """Conservation, in scenarios where everything can happen to an event."""
    met: set[str] = set()
    reasons: set[str] = set()
    for seed in SEEDS:
        early = {"ack": "before"} if seed % 3 == 0 else None
        run, rows = simulated(random_scenario(random.Random(seed), consumer=early), seed)
        table = run.delivery_report()
        states = ["once", "doubled", "lost", "dead", "moved", "refused", "in_flight"]
        assert (table[states].sum(axis=1) == table["published"]).all(), seed
        asked = set(run.requests.index)
        told = set(rows[rows["subscriber"] == "q"]["number"])
        assert asked == told, seed  # nothing vanishes without a row
        moved = (rows["outcome"] == "dead_lettered").sum()
        assert moved == (rows["subscriber"] == "dead").sum(), seed
        met |= set(rows["outcome"])
        reasons |= set(rows["reason"])
    assert met >= {
        "acked", "duplicate", "dead_lettered", "expired", "lost", "rejected", "unavailable",
        "withdrawn", "handled", "nacked", "crashed", "returned", "dropped", "in_flight",
    }  # fmt: skip
    assert reasons >= {"", "expired", "delivery_limit", "network", "restart", "crash", "failed"}


def test_the_same_seed_gives_the_same_rows_and_a_part_more_disturbs_nobody() -> None:
    for seed in range(20):
        scenario = random_scenario(random.Random(seed))
        one, again = (simulated(scenario, seed)[1] for _ in range(2))
        assert one.equals(again)
        more = ml.Scenario(
            *scenario.parts,
            ml.Poisson("other", rate=1.0, to="aside"),
            ml.MessageQueue("aside"),
            ml.Consumer("c", source="aside", work=ml.Exponential(mean=0.1)),
        )
        rows = ml.simulate(more, until=20.0, seed=seed).deliveries
        alone = ml.simulate(scenario, until=20.0, seed=seed).deliveries
        kept = rows[rows["source"] == "shop"].drop(columns=["parent"]).reset_index(drop=True)
        assert kept.astype(str).equals(alone.drop(columns=["parent"]).astype(str))
