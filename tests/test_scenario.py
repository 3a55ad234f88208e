"""Parts that fit together; what does not is refused in words that say what to do."""

from __future__ import annotations

from typing import Any

import pytest

import mesh_lab as ml

E = ml.Exponential(mean=0.1)


def source(to: Any = "s", **fields: Any) -> ml.Poisson:
    return ml.Poisson("a", **{"rate": 1.0, "to": to, **fields})


def service(name: str = "s", **fields: Any) -> ml.Service:
    return ml.Service(name, **{"service_time": E, **fields})


MISFITS = {
    "not a part": (
        lambda: ml.Scenario(source(), "orders"),  # type: ignore[arg-type]
        "'orders' is not a part; a scenario is made of sources, queues, handlers and services, "
        "or of message queues, topics, logs and their consumers",
    ),
    "two of one name": (
        lambda: ml.Scenario(source(), service(), ml.Queue("s")),
        "two parts are called 's'; every name must be unique",
    ),
    "merged source of a taken name": (
        lambda: ml.Scenario(source(), ml.Merge("all", sources=(source("-"),), to="s"), service()),
        "two parts are called 'a'; every name must be unique",
    ),
    "unknown destination": (
        lambda: ml.Scenario(source("order"), service("orders")),
        "Poisson 'a', to: there is no queue or service 'order'; did you mean 'orders'?",
    ),
    "unknown destination of a service": (
        lambda: ml.Scenario(source(), service(to={"elsewhere": 0.5})),
        "Service 's', to: there is no queue or service 'elsewhere'; there are: 's'",
    ),
    "to a handler": (
        lambda: ml.Scenario(source("h"), ml.Queue("q"), ml.Handler("h", source="q", work=E)),
        "Poisson 'a', to: 'h' is a handler, and requests go to its queue; write to='q'",
    ),
    "handler of nothing": (
        lambda: ml.Scenario(source(), service(), ml.Handler("h", source="q", work=E)),
        "Handler 'h', source: there is no queue 'q'; there are none",
    ),
    "handler of a service": (
        lambda: ml.Scenario(source(), service(), ml.Handler("h", source="s", work=E)),
        "Handler 'h', source: there is no queue 's'; there are none",
    ),
    "queue without a handler": (
        lambda: ml.Scenario(source("q"), ml.Queue("q")),
        "Queue 'q' has no handler, so nothing would ever leave it; add Handler(..., source='q')",
    ),
    "sharing among two handlers": (
        lambda: ml.Scenario(
            source("q"),
            ml.Queue("q", discipline="ps"),
            ml.Handler("h", source="q", work=E),
            ml.Handler("i", source="q", work=E),
        ),
        "Queue 'q', discipline: 'ps' needs to know each request's work, so it takes one handler; "
        "it has 2",
    ),
    "shared I/O": (
        lambda: ml.Scenario(source(), service(discipline="preemptive", io=E)),
        "Service 's', io: a wait for I/O cannot be shared or interrupted, so it does not go with "
        "discipline 'preemptive'",
    ),
    "a loop with a way out that nobody takes": (
        lambda: ml.Scenario(source(), service(to={"s": 1.0, "t": 0.0}), service("t")),
        "nothing that enters 's' ever leaves: its requests go round among 's'; let some of them "
        "leave, with probabilities in to= that add up to less than 1",
    ),
    "a loop that nothing leaves": (
        lambda: ml.Scenario(source(), service(to="t"), service("t", to={"s": 0.5, "t": 0.5})),
        "nothing that enters 's' ever leaves: its requests go round among 's', 't'; let some of "
        "them leave, with probabilities in to= that add up to less than 1",
    ),
    "a way into a loop that nothing leaves": (
        lambda: ml.Scenario(source(), service(to="t"), service("t", to="t")),
        "nothing that enters 's' ever leaves: its requests go round among 's', 't'; let some of "
        "them leave, with probabilities in to= that add up to less than 1",
    ),
    "no service time": (
        lambda: ml.Scenario(source(), service(service_time=None)),
        "Service 's', service_time: is not given, so every request must carry its own, but those "
        "of Poisson 'a' do not; give service_time=, or a Replay with service_time=",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_parts_that_do_not_fit_are_refused(case: str) -> None:
    make, message = MISFITS[case]
    with pytest.raises(ml.ScenarioError) as caught:
        make()
    assert str(caught.value) == message


FAULTS = {
    "negative rate": (lambda: source(rate=-1.0), "rate: is -1.0, but must be a number above 0"),
    "NaN rate": (lambda: source(rate=float("nan")), "rate: is nan, but must be a number above 0"),
    "rate in words": (lambda: source(rate="3"), "rate: is '3', but must be a number above 0"),
    "zero workers": (
        lambda: service(workers=0),
        "workers: is 0, but must be an integer of at least 1",
    ),
    "half a worker": (
        lambda: service(workers=1.5),
        "workers: is 1.5, but must be an integer of at least 1",
    ),
    "unknown discipline": (
        lambda: service(discipline="fcfs"),
        "discipline: is 'fcfs', but must be",
    ),
    "unknown field": (lambda: service(worker=2), "worker: is not a field of Service"),
    "overflow without capacity": (
        lambda: service(overflow="block"),
        "overflow is 'block', but without a capacity nothing overflows",
    ),
    "time-to-live where nobody waits": (
        lambda: service(discipline="ps", ttl=1.0),
        "ttl has no meaning with discipline 'ps'",
    ),
    "oldest where nobody waits": (
        lambda: service(discipline="ps", capacity=1, overflow="drop_oldest"),
        "overflow 'drop_oldest' has no meaning with discipline 'ps'",
    ),
    "concurrency of a synchronous one": (
        lambda: service(concurrency=3),
        "concurrency belongs to mode='async'",
    ),
    "asynchronous without I/O": (lambda: service(mode="async"), "mode='async' needs io="),
    "more than everything": (
        lambda: service(to={"s": 0.6, "t": 0.6}),
        "whose probabilities add up to 1.2; they may add up to 1 at most",
    ),
    "less than everything from a source": (
        lambda: source({"s": 0.6}),
        "whose probabilities add up to 0.6; they must add up to 1",
    ),
    "an outage that ends first": (
        lambda: service(outages=((2.0, 1.0),)),
        "each must be (from, until) in seconds with from < until",
    ),
    "outages that overlap": (
        lambda: service(outages=((1.0, 3.0), (2.0, 4.0))),
        "in order and without overlap",
    ),
    "gaps without time": (
        lambda: ml.Renewal("a", gap=ml.Deterministic(value=0.0), to="s"),
        "whose mean is 0: it would never let time pass",
    ),
    "states without holds": (
        lambda: ml.Bursts("a", rates=(1.0, 2.0), holds=(1.0,), to="s"),
        "rates has 2 states and holds has 1",
    ),
    "silence": (
        lambda: ml.Bursts("a", rates=(0.0, 0.0), holds=(1.0, 1.0), to="s"),
        "rates are all 0, so nothing would ever arrive",
    ),
    "profile that begins late": (
        lambda: ml.Profile(times=(1.0, 2.0), rates=(1.0, 1.0)),
        "they must begin at 0 and increase",
    ),
    "profile that dies out": (
        lambda: ml.Profile(times=(0.0, 2.0), rates=(1.0, 0.0)),
        "arrivals would stop for ever",
    ),
    "nobody merged": (lambda: ml.Merge("m", sources=(), to="s"), "sources is empty"),
    "batches of nothing": (
        lambda: ml.PoissonBatches("a", rate=1.0, size=0, to="s"),
        "size: is 0, but must be",
    ),
    "one choice": (lambda: ml.LeastRequest(choices=1), "choices: is 1, but must be"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_impossible_parts_are_refused(case: str) -> None:
    make, message = FAULTS[case]
    with pytest.raises(ml.PartError) as caught:
        make()
    assert message in str(caught.value)


ARGUMENTS = {
    "no end": ({}, "give requests= or until=: source 'a' would go on for ever"),
    "two ends": ({"requests": 1, "until": 1.0}, "both requests and until are given"),
    "no requests": ({"requests": 0}, "requests is 0, but must be a whole number, 1 or more"),
    "half a request": ({"requests": 1.5}, "requests is 1.5, but must be a whole number"),
    "end before the start": ({"until": -1.0}, "until is -1.0, but must be a time in seconds"),
    "end in words": ({"until": "1 h"}, "until is '1 h', but must be a time in seconds"),
    "endless end": ({"until": float("inf")}, "until is inf, but must be a time in seconds"),
    "negative warm-up": ({"requests": 1, "warmup": -1.0}, "warmup is -1.0, but must be a time"),
    "seed in words": ({"requests": 1, "seed": "x"}, "seed is 'x', but must be a whole number"),
    "negative seed": ({"requests": 1, "seed": -1}, "seed is -1, but must be a whole number"),
    "unknown engine": ({"requests": 1, "engine": "fast"}, "engine is 'fast'; there are:"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_impossible_arguments_are_refused(case: str) -> None:
    arguments, message = ARGUMENTS[case]
    with pytest.raises(ml.ScenarioError) as caught:
        ml.simulate(ml.Scenario(source(), service()), **{"seed": 1, **arguments})
    assert message in str(caught.value)


def test_nothing_happens_without_a_source() -> None:
    with pytest.raises(ml.ScenarioError, match="the scenario has no source"):
        ml.simulate(ml.Scenario(service()), requests=1, seed=1)


def test_a_standstill_is_an_error_that_names_the_places() -> None:
    both = {"capacity": 0, "overflow": "block"}
    scenario = ml.Scenario(
        source(rate=20.0),
        service("s", to="t", **both),
        service("t", to={"s": 0.9}, **both),
    )
    with pytest.raises(
        ml.Deadlock, match=r"requests are in flight .* 's' \(0 waiting, \d+ blocked"
    ):
        ml.simulate(scenario, requests=200, seed=1)


def test_replace_makes_another_scenario() -> None:
    scenario = ml.Scenario(source(), service())
    more = scenario.replace("s", replicas=3).replace("a", rate=9.0)
    assert (more["s"].replicas, more["a"].rate) == (3, 9.0)  # type: ignore[union-attr]
    assert scenario == ml.Scenario(source(), service())
    assert more != scenario
    with pytest.raises(ml.ScenarioError, match="no part 'x'; there are: 'a', 's'"):
        scenario.replace("x", replicas=3)
    with pytest.raises(ml.ScenarioError, match="no field 'replica'; did you mean 'replicas'"):
        scenario.replace("s", replica=3)
    with pytest.raises(ml.PartError, match="replicas: is 0"):
        scenario.replace("s", replicas=0)


def test_check_solves_the_traffic_equations() -> None:
    scenario = ml.Scenario(
        source({"front": 0.75, "store": 0.25}, rate=8.0),
        service("front", replicas=2, to={"back": 0.5}),
        ml.Queue("back"),
        ml.Handler("h", source="back", work=E, workers=3, to={"front": 0.2}, failure=0.5),
        service("store", io=ml.Exponential(mean=0.2)),
    )
    # front = 6 + 0.5 * 0.2 back, back = 0.5 front; half of what leaves back has failed
    table = scenario.check()
    front = 6.0 / (1.0 - 0.5 * 0.1)
    assert table["arrival_rate"].to_dict() == pytest.approx(
        {"front": front, "back": 0.5 * front, "store": 2.0}
    )
    assert table["work"].to_dict() == pytest.approx({"front": 0.1, "back": 0.1, "store": 0.3})
    assert table["utilisation"].to_dict() == pytest.approx(
        {"front": front * 0.1 / 2, "back": 0.5 * front * 0.1 / 3, "store": 0.6}
    )
    assert table.index[table["bottleneck"]].tolist() == ["store"]


def test_check_says_what_cannot_be_known() -> None:
    users = ml.Users("u", users=3, think=E, to="s")
    scenario = ml.Scenario(
        users,
        source("t"),
        service(to="v"),
        service("t"),
        service("v", service_time=lambda r, g: 1.0),
    )
    table = scenario.check()
    assert table["arrival_rate"].isna().to_dict() == {"s": True, "t": False, "v": True}
    assert table["work"].isna().to_dict() == {"s": False, "t": False, "v": True}
    assert table.index[table["bottleneck"]].tolist() == ["t"]


def test_check_knows_the_mean_that_a_trace_carries() -> None:
    trace = ml.Replay(
        "a",
        ml.data_path("measured/requests.csv.gz"),
        to="s",
        time="scheduled_s",
        service_time="service_s",
    )
    table = ml.Scenario(trace, service(service_time=None, replicas=10)).check()
    assert table.loc["s", "work"] == pytest.approx(0.020, rel=0.02)
    assert table.loc["s", "utilisation"] == pytest.approx(0.70, abs=0.02)


def test_repr_can_be_pasted() -> None:
    scenario = ml.Scenario(source(), service(balancer=ml.LeastRequest(choices=3)))
    assert eval(repr(scenario), vars(ml) | {"Scenario": ml.Scenario}) == scenario


def test_a_file_whose_parts_do_not_fit_is_named(tmp_path: Any) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text("mesh_lab: 1\nparts:\n- {kind: Poisson, name: a, rate: 1.0, to: s}\n")
    with pytest.raises(ml.ScenarioFileError, match=r"shop\.yaml: Poisson 'a', to: there is no"):
        ml.Scenario.from_yaml(path)


def test_what_all_sources_have_in_common_is_no_source() -> None:
    common = type(source()).__mro__[1]
    with pytest.raises(ml.ScenarioError, match="makes no arrivals by itself"):
        ml.Scenario(common("a", to="s"), service())


@pytest.mark.parametrize("options", [{"keep": ["rows"]}, {"engine": ["simpy"]}], ids=str)
def test_options_of_another_type_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ml.ScenarioError, match="there are: '"):
        ml.simulate(ml.Scenario(source(), service()), requests=1, seed=1, **options)


def test_more_rows_than_memory_holds_are_refused() -> None:
    with pytest.raises(ml.MeshLabError, match="do not fit into memory; run with keep='summary'"):
        ml.simulate(ml.Scenario(source(), service()), requests=10**30, seed=1)


@pytest.mark.parametrize("warmup", [-1.0, "x", True, float("nan")])
def test_another_warmup_must_be_a_time(warmup: Any) -> None:
    run = ml.simulate(ml.Scenario(source(), service()), requests=10, seed=1)
    with pytest.raises(ml.ScenarioError, match="must be a time in seconds, 0 or more"):
        run.with_warmup(warmup)
