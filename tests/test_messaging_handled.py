"""How soon events were handled stands in the summary, and in what is compared."""

from __future__ import annotations

import numpy as np
import pytest

import mesh_lab as ml

WORK = ml.Exponential(mean=0.1)


def queue(workers: int = 1, **options: object) -> ml.Scenario:
    return ml.Scenario(
        ml.Poisson("shop", rate=8.0, to="orders"),
        ml.MessageQueue("orders"),
        ml.Consumer("billing", source="orders", workers=workers, work=WORK, **options),  # type: ignore[arg-type]
    )


def test_a_queue_with_one_worker_is_mm1() -> None:
    """The 99.9 % interval of 20 runs of 20 000 events holds theory, and not 3 % slower work's."""
    found = ml.replicate(queue(), 20, requests=20_000, warmup=50.0, seed=1, confidence=0.999)
    mean, used = found.interval("billing", "mean"), found.interval("billing", "utilisation")
    assert mean.low < 0.1 / (1 - 0.8) < mean.high
    assert used.low < 0.8 < used.high
    assert not used.low < 0.8 * 1.03 < used.high


def test_more_workers_are_seen_in_a_comparison() -> None:
    pair = ml.compare(queue(1), queue(3), 5, requests=2000, seed=1)
    assert pair.difference("billing", "mean").high < -0.1
    assert pair.difference("orders", "mean").estimate == 0.0  # what the publisher waits for


def test_rows_say_the_same() -> None:
    run = ml.simulate(queue(2, failure=0.2), seed=3, requests=500)
    rows = run.deliveries
    published = rows[rows.attempt == 1].set_index("number").sent
    done = rows[rows.effect].set_index("number")
    wanted = (done.finished - published).sort_index().to_numpy()
    order = np.argsort(published.sort_index().to_numpy(), kind="stable")
    assert np.array_equal(run.latencies("billing"), wanted[order])
    span = run.last_arrival
    clipped = rows.finished.clip(upper=span) - rows.started.clip(upper=span)
    used = run.summary().loc["billing", "utilisation"]
    assert used == pytest.approx(clipped.sum() / (2 * span), rel=1e-12)


def test_each_consumer_has_the_events_that_it_has_handled() -> None:
    two = ml.Scenario(
        ml.Poisson("shop", rate=15.0, to="orders"),
        ml.MessageQueue("orders"),
        ml.Consumer("ada", source="orders", work=WORK),
        ml.Consumer("bob", source="orders", work=WORK),
    )
    run = ml.simulate(two, seed=1, requests=1000)
    table = run.summary()
    assert table.loc["ada", "count"] + table.loc["bob", "count"] == 1000
    assert table.loc["ada", "count"] == np.sum(run.deliveries.consumer == "ada")


def test_a_group_has_what_its_members_have_handled() -> None:
    log = ml.Scenario(
        ml.Poisson("shop", rate=8.0, to="orders", key=ml.Keys(9)),
        ml.Log("orders", partitions=3),
        ml.ConsumerGroup(
            "billing",
            source="orders",
            members=2,
            work=WORK,
            reset="earliest",
            session_timeout=6.0,
            changes=(ml.CrashMember(at=30.0, member=0, restart=5.0),),
        ),
    )
    run = ml.simulate(log, seed=1, requests=800)
    row, report = run.summary().loc["billing"], run.delivery_report().loc["billing"]
    assert row["count"] == report["once"] + report["doubled"] == 800
    assert 0.0 < row["utilisation"] < 1.0
    assert (run.latencies("billing") > 0.0).all()
    assert (run.waits("billing") >= 0.0).all()


def test_a_subscriber_without_events_has_an_empty_row() -> None:
    nobody = ml.Scenario(
        ml.Poisson("shop", rate=8.0, to="orders"),
        ml.MessageQueue("orders"),
        ml.MessageQueue("other"),
        ml.Consumer("billing", source="orders", work=WORK),
        ml.Consumer("idle", source="other", work=WORK),
    )
    table = ml.simulate(nobody, seed=1, requests=50).summary()
    assert table.loc["idle", "count"] == 0
    assert table.loc["idle", "utilisation"] == 0.0
    assert np.isnan(table.loc["idle", "mean"])


def test_a_redrive_handles_nothing_and_has_no_row() -> None:
    again = ml.Scenario(
        ml.Poisson("shop", rate=8.0, to="orders"),
        ml.MessageQueue("orders", delivery_limit=1, dead_letter="dead"),
        ml.Consumer("billing", source="orders", work=WORK, failure=0.3),
        ml.MessageQueue("dead"),
        ml.Redrive("again", source="dead", at=(50.0,)),
    )
    table = ml.simulate(again, seed=1, requests=100).summary()
    assert list(table.index) == ["shop", "orders", "dead", "billing"]
