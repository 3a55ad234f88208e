"""Parts of messaging as people meet them: errors, files, pictures, logs, saved runs, processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import simpy

import mesh_lab as ml
from mesh_lab.engines import compiled, express

from .delivered import table, takes, ticks

WORK = ml.Deterministic(value=0.5)
EVERYTHING = ml.Scenario(
    ticks("news", key=ml.Keys(5), subject={"order.new": 0.5, "order.paid": 0.5}),
    ml.Topic(
        "news",
        link=ml.Link(delay=ml.Exponential(mean=0.1), drop=0.1, duplicate=0.1),
        retry=ml.Backoff(base=0.5, cap=5.0, jitter="decorrelated", limit=9),
    ),
    ml.MessageQueue(
        "orders", topic="news", pattern="order.*", visibility=5.0, delivery_limit=3,
        dead_letter="dead", backoff=ml.Backoff(base=0.5, growth="fixed"), ttl=30.0, order="key",
        deduplication=60.0, restarts=((7.0, 8.0),),
    ),
    ml.MessageQueue("dead"),
    ml.Redrive("redrive", source="dead", at=(20.0, 40.0)),
    ml.Consumer(
        "billing", source="orders", work=WORK, workers=2, prefetch=2, failure=0.2,
        deduplication="forever", outages=((3.0, 4.0),), to=("mail", "ship"),
        link=ml.Link(delay=0.01, drop=0.05),
    ),
    ml.MessageQueue("mail", capacity=5, overflow="drop_oldest"),
    ml.Consumer("mailer", source="mail", work=WORK, ack="before", prefetch=None),
    ml.MessageQueue("ship", order="priority", delay=1.0),
    ml.Consumer("shipper", source="ship", work=WORK, to={"done": 0.5}, subject="shipped"),
    ml.MessageQueue("done"),
)  # fmt: skip


# -- what does not fit -----------------------------------------------------------------------------

Q = ml.MessageQueue("q")
C = ml.Consumer("c", source="q", work=WORK)
NEWS = ml.Scenario(ticks("t"), ml.Topic("t"), ml.MessageQueue("q", topic="t"), C)  # not compiled

MISFITS: dict[str, tuple[Callable[[], Any], str]] = {
    "a consumer as destination": (
        lambda: ml.Scenario(ticks("c"), Q, C),
        "Renewal 'shop', to: 'c' is a consumer, and requests go to its queue; write to='q'",
    ),
    "no such queue": (
        lambda: ml.Scenario(ticks("q"), Q, ml.Consumer("c", source="p", work=WORK)),
        "Consumer 'c', source: there is no message queue 'p'",
    ),
    "a consumer of a log": (
        lambda: ml.Scenario(ticks("log"), ml.Log("log"), ml.Consumer("c", source="log", work=WORK)),
        "there is no message queue 'log'; 'log' is a log, which a ConsumerGroup reads",
    ),
    "a consumer of a topic": (
        lambda: ml.Scenario(ticks("t"), ml.Topic("t"), ml.MessageQueue("q", topic="t"),
                            ml.Consumer("c", source="t", work=WORK)),
        "there is no message queue 't'; 't' is a topic: take from a MessageQueue(..., topic=...)",
    ),
    "a group of a queue": (
        lambda: ml.Scenario(ticks("q"), Q, ml.ConsumerGroup("g", source="q", work=WORK)),
        "there is no log 'q'; 'q' is a message queue, which a Consumer takes from",
    ),
    "a handler of a message queue": (
        lambda: ml.Scenario(ticks("q"), Q, ml.Handler("h", source="q", work=WORK)),
        "there is no queue 'q'; 'q' is a message queue, which a Consumer takes from",
    ),
    "a cluster": (
        lambda: ml.Scenario(ticks("db"), ml.Cluster("db")),
        "Cluster('db') is not a part; a cluster runs by itself: ml.replicated.simulate(",
    ),
    "a cluster for simulate": (
        lambda: ml.simulate(ml.Cluster("db"), requests=1, seed=1),
        "Cluster('db'), but must be a Scenario; run a cluster with ml.replicated.simulate",
    ),
    "no such dead letters": (
        lambda: ml.Scenario(ticks("q"), ml.MessageQueue("q", dead_letter="daed"),
                            ml.MessageQueue("dead")),
        "MessageQueue 'q', dead_letter: there is no message queue 'daed'; did you mean 'dead'?",
    ),
    "no such topic": (
        lambda: ml.Scenario(ticks("q"), ml.MessageQueue("q", topic="news")),
        "MessageQueue 'q', topic: there is no topic 'news'; there are none",
    ),
    "answers to nowhere": (
        lambda: ml.Scenario(ticks("q"), Q, ml.Consumer("c", source="q", work=WORK, to="x")),
        "Consumer 'c', to: there is no message queue, topic or log 'x'",
    ),
    "redrive to nowhere": (
        lambda: ml.Scenario(ticks("q"), Q, ml.Redrive("r", source="q", at=(1.0,), to="x")),
        "Redrive 'r', to: there is no message queue 'x'",
    ),
    "a topic without queues": (
        lambda: ml.Scenario(ticks("news"), ml.Topic("news")),
        "Topic 'news' has no queue bound to it, so nobody would get its events; add "
        "MessageQueue(..., topic='news')",
    ),
    "ephemeral without consumers": (
        lambda: ml.Scenario(ticks("q"), ml.MessageQueue("q", ephemeral=True)),
        "MessageQueue 'q' is ephemeral, and so there only while a consumer is",
    ),
    "a ring of dead letters": (
        lambda: ml.Scenario(ticks("a"), ml.MessageQueue("a", dead_letter="b"),
                            ml.MessageQueue("b", dead_letter="a")),
        "dead letters go round among 'a', 'b'",
    ),
    "a ring of answers": (
        lambda: ml.Scenario(
            ticks("news"), ml.Topic("news"), ml.MessageQueue("q", topic="news"),
            ml.Consumer("c", source="q", work=WORK, to="news"),
        ),
        "the answers to the events of 'news' come back to 'news'",
    ),
    "drops without a visibility": (
        lambda: ml.Scenario(
            ticks("q"), Q, ml.Consumer("c", source="q", work=WORK, link=ml.Link(drop=0.1))
        ),
        "Consumer 'c', link: may drop a delivery or an acknowledgement, but MessageQueue 'q' "
        "would wait for it for ever; give the queue visibility= seconds",
    ),
    "bad for ever": (
        lambda: ml.Scenario(ticks("q"), Q, ml.Consumer("c", source="q", work=WORK, failure=1.0)),
        "Consumer 'c' handles every event badly",
    ),
    "never confirmed": (
        lambda: ml.Scenario(
            ticks("q"), ml.MessageQueue("q", visibility=1.0),
            ml.Consumer("c", source="q", work=WORK, link=ml.Link(drop=1.0)),
        ),
        "Consumer 'c' gets or confirms none",
    ),
    "order by no key": (
        lambda: ml.Scenario(ticks("q"), ml.MessageQueue("q", order="key"), C),
        "MessageQueue 'q' keeps order by key, but the events of Renewal 'shop' have none; give "
        "it key=Keys(1000)",
    ),
    "no work": (
        lambda: ml.Scenario(ticks("q"), Q, ml.Consumer("c", source="q")),
        "Consumer 'c', work: is not given, so every event must carry its own",
    ),
    "no deliveries": (
        lambda: ml.simulate(
            ml.Scenario(ticks("s"), ml.Service("s", service_time=WORK)), requests=1, seed=1
        ).deliveries,
        "the scenario has no message queue, topic or log, so there are no deliveries",
    ),
    "no rows": (
        lambda: ml.simulate(ml.Scenario(ticks("q"), Q, C), requests=1, seed=1, keep="summary"),
        "keep='summary' keeps no deliveries, and so nothing of 'q'; leave keep out",
    ),
    "no such subscriber": (
        lambda: ml.simulate(ml.Scenario(ticks("q"), Q, C), requests=1, seed=1).lost("c"),
        "there is no subscriber 'c'; there are: 'q'",
    ),
    "no line": (
        lambda: ml.simulate(
            ml.Scenario(ticks("t"), ml.Topic("t"), ml.MessageQueue("q", topic="t"), C),
            requests=1, seed=1,
        ).timeline("t"),
        "'t' has no line of requests and no workers of its own",
    ),
    "compiled": (
        lambda: ml.simulate(NEWS, requests=1, seed=1, engine="compiled"),
        "'q': a MessageQueue, which takes or keeps events; 'c': a Consumer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_is_refused(case: str) -> None:
    make, message = MISFITS[case]
    with pytest.raises(ml.ScenarioError) as caught:
        make()
    assert message in str(caught.value)


IMPOSSIBLE: dict[str, tuple[Callable[[], Any], str]] = {
    "overflow": (lambda: ml.MessageQueue("q", overflow="drop_oldest"), "nothing overflows"),
    "itself": (lambda: ml.MessageQueue("q", dead_letter="q"), "is the queue itself"),
    "pattern": (lambda: ml.MessageQueue("q", pattern="a.*"), "is not bound to a topic"),
    "durable": (lambda: ml.MessageQueue("q", durable=False), "give restarts="),
    "restarts": (lambda: ml.MessageQueue("q", restarts=((2.0, 1.0),)), "from < until"),
    "limit": (
        lambda: ml.MessageQueue("q", backoff=ml.Backoff(base=1.0, growth="fixed", limit=3)),
        "deliveries are limited by delivery_limit=",
    ),
    "endless": (
        lambda: ml.Topic("t", link=ml.Link(drop=1.0), retry=ml.Backoff(base=1.0, cap=2.0)),
        "publishing would never end",
    ),
    "drop": (lambda: ml.Link(drop=1.5), "must be a number from 0 to 1"),
    "cap": (lambda: ml.Backoff(base=1.0), "has no end without cap="),
    "small cap": (lambda: ml.Backoff(base=2.0, cap=1.0), "must be at least base"),
    "decorrelated": (
        lambda: ml.Backoff(base=1.0, cap=2.0, jitter="decorrelated", growth="fixed"),
        "grows by itself",
    ),
    "shares": (
        lambda: ml.Consumer("c", source="q", work=WORK, to={"a": 0.7, "b": 0.7}),
        "add up to 1 at most",
    ),
    "twice": (lambda: ml.Consumer("c", source="q", work=WORK, to=("a", "a")), "different queues"),
    "no answers": (lambda: ml.Consumer("c", source="q", work=WORK, join=2), "are about answers"),
    "never": (lambda: ml.Redrive("r", source="q", at=()), "one or more times"),
    "back to itself": (lambda: ml.Redrive("r", source="q", at=(1.0,), to="q"), "source itself"),
    "subjects": (lambda: ticks(subject={"a": 0.5}), "must add up to 1"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_is_impossible_is_refused(case: str) -> None:
    make, message = IMPOSSIBLE[case]
    with pytest.raises(ml.PartError) as caught:
        make()
    assert message in str(caught.value)


# -- files, pictures, logs -------------------------------------------------------------------------


def test_a_scenario_is_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    EVERYTHING.to_yaml(path)
    assert ml.Scenario.from_yaml(path) == EVERYTHING


def test_how_many_events_waited_and_were_in_work() -> None:
    scenario = ml.Scenario(
        ticks(), ml.MessageQueue("orders", ttl=2.25),
        ml.Consumer("billing", source="orders", work=takes(1.5), outages=((2.0, 2.5),)),
    )  # fmt: skip
    run = ml.simulate(scenario, requests=3, seed=1)
    assert table(run, "number", "started", "ended", "outcome") == [
        (0, 1.0, 2.0, "crashed"),
        (0, 2.5, 4.0, "acked"),
        (1, 4.0, 5.5, "acked"),
        (2, None, 5.25, "expired"),
    ]
    assert run.timeline("orders").to_numpy().tolist() == [
        [0.0, 0, 0],
        [1.0, 0, 1],
        [2.0, 2, 0],
        [2.5, 1, 1],
        [3.0, 2, 1],
        [4.0, 1, 1],
        [5.25, 0, 1],
        [5.5, 0, 0],
    ]


def test_the_load_of_consumers_is_known_before() -> None:
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=10.0, to={"news": 0.5, "front": 0.5},
                   subject={"a.b": 0.6, "c": 0.4}),
        ml.Service("front", service_time=WORK, to={"two": 0.5}),
        ml.Topic("news"),
        ml.MessageQueue("one", topic="news", pattern="a.*"),
        ml.MessageQueue("two", topic="news"),
        ml.MessageQueue("kept", topic="news"),
        ml.MessageQueue("three", delivery_limit=2),
        ml.Consumer("c1", source="one", work=takes(0.1), failure=0.5, to=("two", "three")),
        ml.Consumer("c2", source="two", work=takes(0.2), workers=2, to={"three": 0.5}),
        ml.Consumer("c2b", source="two", work=takes(0.4), workers=2),
        ml.Consumer("c3", source="three", work=takes(0.1), failure=0.5),
    )  # fmt: skip
    load = scenario.check()
    assert list(load.index) == ["front", "one", "two", "three"]
    # one: 5 * 0.6; two: 5 from the topic, 3 answers, 5 / 2 from the service; three: 3 answers and
    # those of one of two consumers of two, with probability 0.5
    assert load["arrival_rate"].tolist() == pytest.approx([5.0, 3.0, 10.5, 3.0 + 10.5 / 4])
    assert load["work"].tolist() == pytest.approx([0.5, 0.2, 0.3, 0.15])
    assert load["workers"].tolist() == [1, 1, 4, 1]
    assert load["utilisation"].tolist() == pytest.approx(
        [2.5, 0.6, 10.5 * 0.3 / 4, (3.0 + 10.5 / 4) * 0.15]
    )


def test_the_load_of_the_groups_of_a_log_is_known_before() -> None:
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=10.0, to="log", subject="order"),
        ml.Log("log", partitions=3),
        ml.ConsumerGroup("g", source="log", work=takes(0.1), members=5, to={"news": 0.5}),
        ml.ConsumerGroup("late", source="log", work=takes(0.1), members=0,
                         changes=(ml.JoinGroup(at=1.0, member=0),)),
        ml.Topic("news"),
        ml.MessageQueue("of g", topic="news", pattern="g"),
        ml.MessageQueue("of orders", topic="news", pattern="order"),
        ml.Consumer("c", source="of g", work=takes(0.1), to="again"),
        ml.Consumer("d", source="of orders", work=takes(0.1)),
        ml.Log("again"),
        ml.ConsumerGroup("h", source="again", work=takes(0.1), members=2),
    )  # fmt: skip
    load = scenario.check()
    assert list(load.index) == ["of g", "of orders", "g", "late", "h"]
    assert load["arrival_rate"].tolist() == pytest.approx([5.0, 0.0, 10.0, 10.0, 5.0])
    assert load["workers"].tolist() == [1, 1, 3, 0, 2]
    assert load["utilisation"].tolist() == pytest.approx(
        [0.5, 0.0, 1 / 3, float("nan"), 0.25], nan_ok=True
    )
    assert load["bottleneck"].tolist() == [True, False, False, False, False]


def test_a_run_is_saved_with_its_deliveries(tmp_path: Path) -> None:
    for requests in (3, 60):  # fewer, and more, visits than deliveries
        run = ml.simulate(EVERYTHING, requests=requests, seed=1)
        run.check_invariants()
        run.save(tmp_path / "run.parquet")
        again = ml.load_run(tmp_path / "run.parquet")
        assert again.deliveries.equals(run.deliveries)
        assert again.requests.equals(run.requests)
        assert again.delivery_report().equals(run.delivery_report())
        assert again.summary().equals(run.summary())
    empty = ml.Scenario(ticks({"s": 1.0, "q": 0.0}), Q, ml.Service("s", service_time=WORK))
    run = ml.simulate(empty, requests=3, seed=1)
    run.save(tmp_path / "none.parquet")
    assert len(ml.load_run(tmp_path / "none.parquet").deliveries) == 0


def test_deliveries_that_were_changed_are_refused(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    run = ml.simulate(EVERYTHING, requests=3, seed=1)
    run.save(tmp_path / "run.parquet")
    table = pq.read_table(tmp_path / "run.parquet")
    bad = table["delivery_outcome"].to_numpy().copy()
    bad[0] = 77
    at = table.column_names.index("delivery_outcome")
    changed = table.set_column(at, "delivery_outcome", [bad])
    pq.write_table(changed, tmp_path / "bad.parquet")
    with pytest.raises(ml.TraceError, match="column 'outcome' holds what no run has"):
        ml.load_run(tmp_path / "bad.parquet")
    pq.write_table(table.drop_columns(["delivery_sent"]), tmp_path / "less.parquet")
    with pytest.raises(ml.TraceError, match="of the deliveries is not readable"):
        ml.load_run(tmp_path / "less.parquet")


def test_a_picture_shows_where_events_go() -> None:
    told = ml.plots.describe(EVERYTHING.draw())
    assert "goes to orders" in told
    assert "orders (message queue: " in told
    assert "billing (consumer: work 0.5 s" in told
    assert "sends to mail, ship" in told
    assert "sends to done (50 %)" in told


def test_a_log_tells_what_happens_to_events() -> None:
    scenario = ml.Scenario(
        ticks(), ml.MessageQueue("orders"),
        ml.Consumer("billing", source="orders", work=takes(1.5), outages=((2.0, 2.5),)),
    )  # fmt: skip
    assert ml.explain(scenario, requests=1, seed=1).splitlines() == [
        "  1.000000  shop #0  arrives",
        "  1.000000  shop #0  is stored in orders",
        "  1.000000  shop #0  starts at billing, attempt 1",
        "  2.000000  shop #0  is in the hands of billing when it crashes",
        "  2.500000  shop #0  starts at billing, attempt 2",
        "  4.000000  shop #0  is handled by billing",
    ]


def test_no_quick_lane_takes_what_it_does_not_know() -> None:
    assert not express.fits(NEWS)
    assert {"'q'", "'c'"} <= {text.partition(":")[0] for text in compiled.reasons(NEWS)}
    assert not express.fits(ml.Scenario(ticks("q"), Q, C))
    mixed = ml.Scenario(ticks("s"), ml.Service("s", service_time=WORK), Q, C)
    assert not express.fits(mixed)
    assert compiled.reasons(mixed)


def test_a_service_hands_on_to_a_queue() -> None:
    scenario = ml.Scenario(ticks("front"), ml.Service("front", service_time=WORK, to="q"), Q, C)
    run = ml.simulate(scenario, requests=2, seed=1)
    assert table(run, "number", "sent", "finished") == [(0, 1.5, 2.0), (1, 2.5, 3.0)]
    assert list(run.calls["service"]) == ["front", "q", "front", "q"]
    assert list(run.requests["finish"]) == [1.5, 2.5]


def test_merged_sources_keep_their_subjects_unless_they_get_one() -> None:
    def taken(**fields: Any) -> list[tuple[Any, ...]]:
        scenario = ml.Scenario(
            ml.Merge(
                "all",
                to="news",
                sources=(
                    ml.Renewal("a", gap=takes(1.0), to="-", subject="x.1"),
                    ml.Renewal("b", gap=takes(1.5), to="-"),
                ),
                **fields,
            ),
            ml.Topic("news"),
            ml.MessageQueue("xs", topic="news", pattern="x.*"),
            ml.MessageQueue("bs", topic="news", pattern="b"),
        )
        return table(ml.simulate(scenario, requests=2, seed=1), "source", "subscriber")

    assert taken() == [("a", "xs"), ("b", "bs")]
    assert taken(subject="x.2") == [("a", "xs"), ("b", "xs")]


def test_users_wait_for_the_confirmation_only() -> None:
    scenario = ml.Scenario(
        ml.Users("people", users=1, think=takes(1.0), to="q"),
        ml.MessageQueue("q", link=ml.Link(delay=0.25), retry=ml.Backoff(base=9.0, growth="fixed")),
        ml.Consumer("c", source="q", work=takes(5.0)),
    )
    run = ml.simulate(scenario, requests=3, seed=1)
    assert list(run.requests["arrival"]) == [1.0, 2.5, 4.0]
    assert list(run.requests["finish"]) == [1.5, 3.0, 4.5]
    assert table(run, "sent", "delivered", "acked") == [
        (1.0, 1.25, 6.25),
        (2.5, 6.25, 11.25),
        (4.0, 11.25, 16.25),
    ]


def test_a_users_function_may_decide_how_long_handling_takes() -> None:
    seen = []

    def work(event: Any, rng: Any) -> float:
        seen.append((event.source, event.number, event.key))
        return 0.25 + 0.25 * event.number

    scenario = ml.Scenario(
        ticks("q", key=ml.Keys(1, prefix="user ")), Q, ml.Consumer("c", source="q", work=work)
    )
    run = ml.simulate(scenario, requests=2, seed=1)
    assert seen == [("shop", 0, "user 0"), ("shop", 1, "user 0")]
    assert list(run.deliveries["finished"]) == [1.25, 2.5]
    bad = scenario.replace("c", work=lambda event, rng: -1.0)
    with pytest.raises(ml.MeshLabError, match=r"the function for its work returned -1\.0"):
        ml.simulate(bad, requests=1, seed=1)


def test_in_a_program_of_ones_own() -> None:
    env = simpy.Environment()
    got = []

    def work(event: Any, rng: Any) -> float:
        got.append((env.now, event.payload))
        return 2.0

    inbox, consumer = ml.build(
        env, ml.MessageQueue("inbox"), ml.Consumer("c", source="inbox", work=work), seed=1
    )

    def producer() -> Any:
        for n in range(3):
            outcome = yield inbox.put(f"event {n}")
            assert outcome == "ok"
        assert inbox.waiting == 2

    env.process(producer())
    env.run(until=10.0)
    assert got == [(0, "event 0"), (2.0, "event 1"), (4.0, "event 2")]
    assert repr(consumer).startswith("<live Consumer('c'")
    with pytest.raises(ml.ScenarioError, match="only a Consumer takes from 'inbox'"):
        inbox.get()
