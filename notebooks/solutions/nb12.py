"""Solutions and checks of notebook 12: look here after you have tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes


def own_time(calls: pd.DataFrame) -> Any:
    """Return the seconds that each call took by itself, one for each row of `calls`.

    Calls that were out at the same time were waited for together: only what a call lasts longer
    than those sent before it counts.
    """
    own = (calls["finish"] - calls["start"]).to_numpy(copy=True)
    until = np.full(len(calls), -np.inf)  # up to when each row has waited for others
    made = calls[calls["parent"] >= 0].sort_values("sent")
    for parent, sent, back in zip(made["parent"], made["sent"], made["returned"], strict=True):
        own[parent] -= max(back - max(sent, until[parent]), 0.0)
        until[parent] = max(until[parent], back)
    return own


def _held(calls: pd.DataFrame) -> Any:
    return calls["finish"] - calls["start"]


def _sum_of_all(calls: pd.DataFrame) -> Any:
    asked = (calls["returned"] - calls["sent"]).groupby(calls["parent"]).sum()
    return _held(calls) - asked.reindex(calls.index, fill_value=0.0)


def _not_below_zero(calls: pd.DataFrame) -> Any:
    return np.maximum(_sum_of_all(calls), 0.0)


def _only_the_longest(calls: pd.DataFrame) -> Any:
    asked = (calls["returned"] - calls["sent"]).groupby(calls["parent"]).max()
    return _held(calls) - asked.reindex(calls.index, fill_value=0.0)


def _from_first_to_last(calls: pd.DataFrame) -> Any:
    by_parent = calls.groupby("parent")
    asked = by_parent["returned"].max() - by_parent["sent"].min()
    return _held(calls) - asked.reindex(calls.index, fill_value=0.0)


def _one_after_the_other(calls: pd.DataFrame) -> Any:
    """Right unless a call is over before one that was sent before it."""
    own = _held(calls).to_numpy(copy=True)
    until: dict[int, float] = {}
    made = calls[calls["parent"] >= 0].sort_values("sent")
    for parent, sent, back in zip(made["parent"], made["sent"], made["returned"], strict=True):
        own[parent] -= back - max(sent, until.get(parent, sent))
        until[parent] = back
    return own


def _table(*rows: tuple[int, float, float]) -> pd.DataFrame:
    """Return a table like `run.calls` of rows (parent, sent, returned) that meet no line."""
    parent, sent, returned = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "parent": parent,
            "sent": sent,
            "arrival": sent,
            "start": sent,
            "finish": returned,
            "returned": returned,
        }
    )


def _seconds(answer: Callable[[pd.DataFrame], Any], *rows: tuple[int, float, float]) -> list[float]:
    return [round(float(x), 9) for x in answer(_table(*rows))]


@exercise(
    "12.own_time",
    wrong=[
        _held,
        _sum_of_all,
        _not_below_zero,
        _only_the_longest,
        _from_first_to_last,
        _one_after_the_other,
    ],
)
def check_own_time(answer: Callable[[pd.DataFrame], Any]) -> Iterator[Case]:
    """By hand: calls in sequence, at once, overlapping, one within another, with a gap."""
    cases: Sequence[tuple[str, list[tuple[int, float, float]], list[float]]] = [
        ("one call, from 1 to 4, of a request from 0 to 5", [(-1, 0, 5), (0, 1, 4)], [2, 3]),
        (
            "two calls one after the other, 1 to 3 and 3 to 4, of a request from 0 to 5",
            [(-1, 0, 5), (0, 1, 3), (0, 3, 4)],
            [2, 2, 1],
        ),
        (
            "two calls at the same time, 1 to 4 and 1 to 3, of a request from 0 to 5",
            [(-1, 0, 5), (0, 1, 4), (0, 1, 3)],
            [2, 3, 2],
        ),
        (
            "two calls that overlap, 1 to 3 and 2 to 4, of a request from 0 to 5",
            [(-1, 0, 5), (0, 1, 3), (0, 2, 4)],
            [2, 2, 2],
        ),
        (
            "two calls with a second between them, 1 to 2 and 3 to 4, of a request from 0 to 5",
            [(-1, 0, 5), (0, 1, 2), (0, 3, 4)],
            [3, 1, 1],
        ),
        (
            "three calls, 1 to 7, 2 to 3 and 6 to 8, of a request from 0 to 9",
            [(-1, 0, 9), (0, 1, 7), (0, 2, 3), (0, 6, 8)],
            [2, 6, 1, 2],
        ),
        (
            "three tiers: 0 to 9 calls 1 to 8, which calls 2 to 6 and 3 to 7",
            [(-1, 0, 9), (0, 1, 8), (1, 2, 6), (1, 3, 7)],
            [2, 2, 4, 4],
        ),
    ]
    for says, rows, expected in cases:
        yield case(
            lambda rows=rows: _seconds(answer, *rows),
            says=f"{says}: own time",
            expected=[float(x) for x in expected],
        )
    run = ml.simulate(_three_at_once(), requests=20, seed=1)
    yield case(
        lambda: [round(float(x), 9) for x in np.asarray(answer(run.calls))[:4]],
        says="a run: web works 1 ms, then calls three at once that take 2, 3 and 4 ms (seconds)",
        expected=[0.001, 0.002, 0.003, 0.004],
    )


def _three_at_once() -> ml.Scenario:
    def works(name: str, ms: float, **more: Any) -> ml.Service:
        return ml.Service(name, service_time=ml.Deterministic(value=ms / 1000), **more)

    return ml.Scenario(
        ml.Renewal("in", gap=ml.Deterministic(value=1.0), to="web"),
        works("web", 1, calls=(ml.Parallel(("a", "b", "c")),)),
        works("a", 2),
        works("b", 3),
        works("c", 4),
    )


def spread(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` with one stream a connection: a busy one makes its caller open another.

    protocol="http1" is the same.  With two streams it works as well, a little worse.  Shorter lives
    deal more often, but no better; `most` alone changes nothing: one connection carries all.
    """
    one = ml.Connections(balance="connection", connect=0.005, streams=1)
    return scenario.replace("stock", connections=one)


def _with(**fields: Any) -> Callable[[ml.Scenario], ml.Scenario]:
    all_fields: dict[str, Any] = {"balance": "connection", "connect": 0.005} | fields
    how = ml.Connections(**all_fields)
    return lambda scenario: scenario.replace("stock", connections=how)


def _pinned() -> ml.Scenario:
    return ml.Scenario(
        ml.Poisson("customers", rate=150.0, to="web"),
        ml.Service(
            "web",
            replicas=10,
            service_time=ml.Deterministic(value=0.001),
            mode="async",
            calls=("stock",),
            balancer=ml.Random(),
        ),
        ml.Service(
            "stock",
            replicas=10,
            service_time=ml.Exponential(mean=0.020),
            balancer=ml.IptablesChain(),
            connections=ml.Connections(balance="connection", connect=0.005),
        ),
        ml.DataPlane("network", proxy="none"),
    )


@exercise(
    "12.spread",
    wrong=[
        _with(),
        _with(lifetime=10.0),
        _with(lifetime=0.1),
        _with(lifetime=0.01),
        _with(most=4),
        _with(streams=100),
        _with(balance="request"),
        _with(streams=1, connect=None),
        lambda scenario: scenario.replace("stock", replicas=20),
        lambda scenario: scenario,
    ],
)
def check_spread(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """Only the connections may change, not who deals; then p99 and handshakes of three runs."""
    before = _pinned()

    def connections() -> Any:
        service = answer(before)["stock"]
        assert isinstance(service, ml.Service)
        return service.connections

    def all_but_connections() -> ml.Scenario:
        service = before["stock"]
        assert isinstance(service, ml.Service)
        return answer(before).replace("stock", connections=service.connections)

    yield case(
        all_but_connections,
        says="everything but the connections",
        expected=passes("as it was", lambda scenario: scenario == before),
    )
    yield case(
        lambda: [getattr(connections(), name, None) for name in ("balance", "connect")],
        says="balance and connect of its connections",
        expected=passes('"connection" and 0.005', lambda got: got == ["connection", 0.005]),
    )
    runs = [ml.simulate(answer(before), requests=3_000, seed=seed) for seed in (2, 3)]
    calls = pd.concat(run.calls.query("service == 'stock'") for run in runs)
    yield case(
        lambda: max(float(1000 * np.quantile(run.latencies(), 0.99)) for run in runs),
        says="the p99 of two runs, ms, the larger one",
        expected=passes("less than 200", lambda p99: p99 < 200.0),
    )
    yield case(
        lambda: float((calls["arrival"] > calls["sent"] + 1e-9).mean()),
        says="the share of requests that wait for a handshake",
        expected=passes("at most 0.02", lambda share: share <= 0.02),
    )
