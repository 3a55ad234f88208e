"""Live parts in a SimPy program: exact logs of what processes see."""

from __future__ import annotations

from typing import Any

import pytest
import simpy

import mesh_lab as ml

FOUR = ml.Deterministic(value=4.0)


def test_put_waits_for_room_when_overflow_blocks() -> None:
    env, log = simpy.Environment(), []
    (inbox,) = ml.build(env, ml.Queue("inbox", capacity=1, overflow="block"), seed=1)

    def producer() -> Any:
        for n in range(3):
            outcome = yield inbox.put(n)
            log.append((env.now, "put", n, outcome))

    def consumer() -> Any:
        while True:
            yield env.timeout(5)
            event = yield inbox.get()
            log.append((env.now, "got", event))

    env.process(producer())
    env.process(consumer())
    env.run(until=18)
    assert log == [
        (0, "put", 0, "ok"),
        (5, "got", 0),
        (5, "put", 1, "ok"),
        (10, "got", 1),
        (10, "put", 2, "ok"),
        (15, "got", 2),
    ]


def test_call_returns_when_the_request_has_left_wherever_it_went() -> None:
    env, log = simpy.Environment(), []
    front, back = ml.build(
        env,
        ml.Service("front", service_time=FOUR, to="back"),
        ml.Service("back", service_time=ml.Deterministic(value=1.0)),
        seed=1,
    )

    def caller(n: int) -> Any:
        reply = yield front.call(f"event {n}")
        log.append((env.now, reply.event, reply.outcome, reply.latency))

    for n in range(2):
        env.process(caller(n))
    env.run()
    assert log == [(5.0, "event 0", "ok", 5.0), (9.0, "event 1", "ok", 9.0)]
    assert front.waiting == back.waiting == 0


def test_calls_that_are_turned_away_say_so() -> None:
    env, log = simpy.Environment(), []
    (service,) = ml.build(env, ml.Service("s", service_time=FOUR, capacity=0), seed=1)

    def caller() -> Any:
        reply = yield service.call("x")
        log.append((env.now, reply.outcome))

    for _ in range(2):
        env.process(caller())
    env.run()
    assert log == [(0.0, "rejected"), (4.0, "ok")]


def test_a_handler_with_a_users_function_sees_the_payload() -> None:
    env = simpy.Environment()
    sizes = {"small": 1.0, "large": 10.0}
    inbox, worker = ml.build(
        env,
        ml.Queue("inbox"),
        ml.Handler("worker", source="inbox", work=lambda request, rng: sizes[request.payload]),
        seed=1,
    )
    calls = [inbox.call("large"), inbox.call("small")]
    assert (inbox.waiting, worker.busy) == (1, 1)
    env.run()
    assert [call.value.latency for call in calls] == [10.0, 11.0]


def test_the_users_function_gets_the_same_numbers_every_time() -> None:
    def latencies() -> list[float]:
        env = simpy.Environment()
        (service,) = ml.build(
            env, ml.Service("s", service_time=lambda request, rng: rng.exponential()), seed=3
        )
        calls = [service.call(n) for n in range(5)]
        env.run()
        return [call.value.latency for call in calls]

    assert latencies() == latencies()
    assert len(set(latencies())) == 5


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "2", None])
def test_a_users_function_must_return_seconds(wrong: Any) -> None:
    env = simpy.Environment()
    (service,) = ml.build(env, ml.Service("s", service_time=lambda request, rng: wrong), seed=1)
    with pytest.raises(ml.MeshLabError, match="'s': the function for its work returned"):
        service.call("x")


def test_get_can_be_cancelled_so_that_nothing_goes_to_nobody() -> None:
    env, log = simpy.Environment(), []
    (inbox,) = ml.build(env, ml.Queue("inbox"), seed=1)

    def impatient() -> Any:
        asked = inbox.get()
        yield asked | env.timeout(1)
        asked.cancel()
        log.append((env.now, "gave up"))

    def late() -> Any:
        yield env.timeout(2)
        yield inbox.put("event")
        event = yield inbox.get()
        log.append((env.now, event))

    env.process(impatient())
    env.process(late())
    env.run()
    assert log == [(1, "gave up"), (2, "event")]


def test_nobody_else_takes_from_a_queue_that_a_handler_serves() -> None:
    env = simpy.Environment()
    inbox, _ = ml.build(env, ml.Queue("inbox"), ml.Handler("h", source="inbox", work=FOUR), seed=1)
    with pytest.raises(ml.ScenarioError, match="'inbox' is served already"):
        inbox.get()


def test_sources_feed_a_queue_that_a_process_serves() -> None:
    env, log = simpy.Environment(), []
    _, inbox = ml.build(
        env,
        ml.Renewal("tick", gap=ml.Deterministic(value=3.0), to="inbox"),
        ml.Queue("inbox"),
        seed=1,
    )

    def consumer() -> Any:
        while True:
            yield inbox.get()
            log.append(env.now)

    env.process(consumer())
    env.run(until=10)
    assert log == [3.0, 6.0, 9.0]


def test_live_parts_follow_the_same_path_as_a_simulation() -> None:
    """The same arrivals through `build` and through `simulate` leave at the same times."""
    service = ml.Service("s", workers=2, service_time=ml.Exponential(mean=1.5))
    source = ml.Poisson("a", rate=1.0, to="s")
    run = ml.simulate(ml.Scenario(source, service), requests=200, seed=5)
    env = simpy.Environment()
    _, live = ml.build(env, source, service, seed=5)
    finishes = []

    def watch() -> Any:
        # looks at the line at every finish of the simulation, and in between sees the same number
        for time in sorted(run.requests["finish"]):
            yield env.timeout(time + 1e-9 - env.now)
            finishes.append(live.waiting)

    env.process(watch())
    env.run(until=run.duration)
    timeline = run.timeline("s")
    expected = [
        int(timeline["waiting"][timeline["time"].searchsorted(time + 1e-9, "right") - 1])
        for time in sorted(run.requests["finish"])
    ][: len(finishes)]
    assert len(finishes) >= 199
    assert finishes == expected
