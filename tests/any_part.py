"""How hypothesis makes any part that can be declared, with any of its fields."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import mesh_lab as ml
from tests.families import distributions

# what some reader of YAML takes for something else, or loses
_SPACED = """
no Yes on true ~ null 010 0x10 0o7 1:30 1_000 1e3 1. .5 .inf .nan - = << 2001-01-01 kind name
--- ... {a} [ *a &a !a %a @ ` ' " \\ '' \"\" \\n
"""
ODD_WORDS = [
    *_SPACED.split(),
    *(" a", "a ", "a: b", "a #b", "- a", "? a", "\t", "\n", "\n\n", "a\nb", "a\n", "\r", "\r\n"),
    *("\0", "\x1b", "\x85", "\xa0", "\u2028", "\ufeff", "\ufffe", "\U0001f600", "\U0010ffff"),
    *("x" * 300, "many words " * 30),
]
_words = st.sampled_from(ODD_WORDS) | st.text(min_size=1)
_headers = _words.filter(lambda word: word != "kind")
_positive = st.floats(min_value=1e-300, max_value=1e300)
_seconds = st.floats(min_value=0.0, allow_infinity=False)
_counts = st.integers(min_value=1)
_keys = st.integers(min_value=1, max_value=10_000_000)
_many = st.integers(min_value=1, max_value=3000)  # of replicas for each of as many proxies

Draw = st.DrawFn


@st.composite
def shares(draw: Draw, keys: st.SearchStrategy[Any]) -> dict[Any, float]:
    names = draw(st.lists(keys, min_size=1, max_size=5, unique=True))
    parts = draw(st.lists(st.integers(1, 99), min_size=len(names), max_size=len(names)))
    return {name: part / sum(parts) for name, part in zip(names, parts, strict=True)}


@st.composite
def _some(draw: Draw, fields: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Return values for some of the fields."""
    return {name: draw(values) for name, values in fields.items() if draw(st.booleans())}


@st.composite
def _sending(draw: Draw) -> dict[str, Any]:
    """Return the fields of any source."""
    some = {
        "priority": st.integers() | shares(st.integers()),
        "deadline": st.none() | _positive | distributions,
        "headers": st.dictionaries(_headers, _words | shares(_words), max_size=2),
        "key": st.none() | st.builds(ml.Keys, _keys, exponent=st.floats(0.0, 3.0)),
    }
    return {"name": draw(_words), "to": draw(_words | shares(_words)), **draw(_some(some))}


@st.composite
def _waiting(draw: Draw) -> dict[str, Any]:
    given = draw(_some({"capacity": st.integers(min_value=0), "ttl": st.none() | _positive}))
    disciplines = ["fifo", "lifo", "random", "priority", "preemptive", "sjf", "edf"]
    given["discipline"] = draw(st.sampled_from(disciplines))
    if "capacity" in given:
        given["overflow"] = draw(st.sampled_from(["reject", "drop_oldest", "block"]))
    return given


@st.composite
def _working(draw: Draw) -> dict[str, Any]:
    some = {
        "workers": _counts,
        "io": st.none() | distributions,
        "to": st.none() | _words | shares(_words),
        "failure": st.floats(0.0, 1.0),
    }
    given = draw(_some(some))
    if draw(st.booleans()):
        given |= {"mode": "async", "io": draw(distributions)}
        given["concurrency"] = draw(st.none() | _counts)
    ends = sorted(draw(st.lists(_seconds, max_size=8, unique=True)))
    given["outages"] = tuple(zip(ends[::2], ends[1::2], strict=False))
    return given


@st.composite
def _profiles(draw: Draw) -> ml.Profile:
    times = sorted(draw(st.lists(st.floats(1.0, 1e9), min_size=1, max_size=9, unique=True)))
    rates = draw(st.lists(st.floats(0.0, 1e9), min_size=len(times), max_size=len(times)))
    period = times[-1] * 2 if draw(st.booleans()) else None
    if period is None:
        rates[-1] = 1.0
    return ml.Profile(times=(0.0, *times), rates=(1.0, *rates), period=period)


@st.composite
def open_sources(draw: Draw) -> Any:
    given = draw(_sending())
    kind = draw(
        st.sampled_from(
            [
                ml.Poisson,
                ml.Renewal,
                ml.PoissonBatches,
                ml.TimeVarying,
                ml.Bursts,
                ml.Replay,
                ml.AccessLog,
            ]
        )
    )
    if kind in {ml.Poisson, ml.PoissonBatches}:
        given["rate"] = draw(_positive)
    if kind is ml.PoissonBatches:
        given["size"] = draw(_counts | shares(_counts))
    if kind is ml.Renewal:
        given["gap"] = draw(distributions.filter(lambda gap: gap.mean > 0.0))
    if kind is ml.TimeVarying:
        given["profile"] = draw(_profiles())
    if kind is ml.Bursts:
        states = draw(st.lists(st.tuples(_positive, _positive), min_size=2, max_size=5))
        given["rates"], given["holds"] = zip(*states, strict=True)
    if kind in {ml.Replay, ml.AccessLog}:
        given["path"] = draw(_words)
    if kind is ml.Replay:
        given["time"] = draw(_words)
        given |= draw(_some({"service_time": st.none() | _words, "start": _seconds}))
    if kind is ml.AccessLog:
        some = {
            "spread": st.sampled_from(["random", "even", "none"]),
            "unordered": st.sampled_from(["error", "sort"]),
            "service_time": st.sampled_from([None, r"(\S+)$", 'rt="([^"]*)"']),
            "unit": _positive,
        }
        given |= draw(_some(some))
    return kind(**given)


@st.composite
def balancers(draw: Draw) -> Any:
    return draw(
        st.one_of(
            st.builds(ml.LeastRequest, choices=st.integers(2, 1000)),
            st.builds(
                ml.RoundRobin,
                start=st.integers(min_value=0, max_value=2**32 - 1),
                slow_start=st.none() | st.builds(ml.SlowStart, window=st.floats(0.01, 1e3)),
            ),
            st.builds(ml.Maglev, table_size=st.sampled_from([101, 65_537])),
            st.builds(ml.RingHash, hash=st.sampled_from(["xxh64", "murmur2"])),
            st.builds(ml.PeakEwma, decay=_positive, default_rtt=st.none() | _positive),
            st.builds(ml.FirstAvailable, limit=_counts),
            st.builds(ml.PowerOfD, refresh=st.none() | st.floats(1e-3, 1e3)),
            st.sampled_from(
                [
                    ml.C3(),
                    ml.IptablesChain(),
                    ml.JoinIdleQueue(withdraw=True),
                    ml.JumpHash(),
                    ml.LeastConnections(),
                    ml.LeastWorkLeft(),
                    ml.LoadReports(),
                    ml.Prequal(),
                    ml.Random(),
                    ml.SizeInterval(cutoffs=(0.5, 1.0)),
                    ml.WeightedRandom(),
                ]
            ),
        )
    )


@st.composite
def _policies(draw: Draw) -> ml.Policy:
    """Return a policy of a call."""
    limit = draw(st.none() | st.floats(0.1, 1e6))
    each = draw(st.none() | st.floats(1e-6, 0.1))
    pauses = [
        ml.Backoff(base=0.1, growth="fixed"),
        ml.EnvoyBackoff(rule="documentation"),
        ml.GrpcBackoff(initial=0.1, multiplier=1.5, max=2.0),
    ]
    times = draw(st.integers(0, 1000))
    again = draw(
        st.sampled_from(
            [
                {},
                {"retries": ml.Retries(times, backoff=draw(st.none() | st.sampled_from(pauses)))},
                {
                    "hedge": ml.Hedge(
                        delay=draw(st.floats(0.0, 1e6)), times=times + 1 - times // 1000
                    )
                },
            ]
        )
    )
    return ml.Policy(
        timeout=limit,
        per_try_timeout=each,
        propagate=limit is not None and draw(st.booleans()),
        **again,
    )


@st.composite
def _guards(draw: Draw) -> dict[str, Any]:
    """Return what a service that is called may have."""
    calls = st.builds(
        ml.Call, _words, probability=st.floats(0.0, 1.0), policy=st.none() | _policies()
    )
    steps = (
        _words | calls | st.builds(ml.Parallel, st.lists(_words | calls, min_size=1, max_size=3))
    )
    some = {
        "calls": st.lists(steps, max_size=3),
        "policy": st.none() | _policies(),
        "cancelled": st.sampled_from(["finish", "skip", "stop"]),
        "budget": st.sampled_from(
            [
                None,
                ml.RetryLimit(max_retries=5),
                ml.EnvoyRetryBudget(),
                ml.FinagleRetryBudget(),
                ml.GrpcRetryThrottle(max_tokens=10, token_ratio=0.1),
            ]
        ),
        "limits": st.sampled_from([None, ml.Limits(), ml.Limits.istio()]),
        "breaker": st.sampled_from(
            [None, ml.ConsecutiveBreaker(), ml.FailureRateBreaker(per="service")]
        ),
        "connections": st.sampled_from([None, ml.Connections(protocol="http1", most=2)]),
        "throttle": st.sampled_from([None, ml.TokenBucket(rate=5.0, burst=2), ml.CoDel()]),
        "shedding": st.sampled_from([None, ml.AdaptiveConcurrency(), ml.ClientThrottling(k=3.0)]),
        "faults": st.none() | st.builds(ml.Faults, abort=st.floats(0.1, 1.0), delay=distributions),
        "ejection": st.sampled_from([None, ml.OutlierDetection(), ml.OutlierDetection.grpc()]),
    }
    return draw(_some(some))


@st.composite
def parts(draw: Draw) -> Any:
    kinds = ["open", ml.Users, ml.Merge, ml.Queue, ml.Handler, ml.Service, ml.DataPlane]
    kinds.append(ml.Route)
    kind = draw(st.sampled_from([*kinds, ml.ServiceDiscovery]))
    if kind == "open":
        return draw(open_sources())
    if kind is ml.Users:
        return kind(**draw(_sending()), users=draw(_counts), think=draw(distributions))
    if kind is ml.Merge:
        sources = draw(st.lists(open_sources(), min_size=1, max_size=3))
        return kind(**draw(_sending()), sources=sources)
    name = draw(_words)
    if kind is ml.DataPlane:
        cost = st.none() | distributions | st.floats(0.0, 1.0)
        return kind(name, proxy=draw(st.sampled_from(["sidecar", "node", "none"])), cost=draw(cost))
    if kind is ml.Route:
        header = st.dictionaries(_headers, _words, max_size=2)
        rules = st.lists(st.builds(ml.Rule, to=_words | shares(_words), headers=header), max_size=2)
        to = draw(shares(_words))
        canary = ml.Canary(service=next(iter(to))) if len(to) > 1 else None
        by = draw(st.sampled_from(["key", "request"]))
        mirror = draw(st.dictionaries(_words, st.floats(0.0, 1.0), max_size=2))
        return kind(name, to=to, rules=draw(rules), canary=canary, by=by, mirror=mirror)
    if kind is ml.ServiceDiscovery:
        ways = [ml.AtOnce(), ml.Dns(ttl=30.0), ml.ControlPlane(), ml.Gossip(), ml.BlockingQueries()]
        ways += [ml.EndpointSlices(), ml.HealthChecks(interval=1.0, timeout=0.5)]
        life, readiness = st.sampled_from([None, ml.PodLife()]), st.sampled_from([ml.Readiness()])
        return kind(
            name, by=draw(st.sampled_from(ways)), life=draw(life), readiness=draw(readiness)
        )
    if kind is ml.Queue:
        return kind(name, **draw(_waiting()))
    work = draw(st.none() | distributions)
    if kind is ml.Handler:
        return kind(name, source=draw(_words), work=work, **draw(_working()))
    some = draw(_some({"replicas": _many, "balancer": balancers(), "proxies": _many}))
    if draw(st.booleans()):
        some["endpoints"] = (
            ml.Endpoint("a", weight=draw(st.floats(1e-9, 1e9)), speed=draw(_positive)),
            ml.Endpoint("b", zone=draw(_words), priority=draw(st.integers(0, 3))),
        )
        some["replicas"] = 2
        some["changes"] = (
            ml.Join(at=1.0, endpoint=ml.Endpoint("c")),
            ml.Fail(at=draw(_seconds), endpoint="a"),
            ml.Slow(at=2.0, endpoint="c", speed=draw(_positive)),
            ml.Failures(up=ml.Uniform(low=1.0, high=2.0), down=draw(distributions)),
        )
        some["eligible"] = ml.Eligible(panic=0, subset=ml.RandomSubset(size=draw(_counts)))
    some |= draw(_guards())
    return kind(name, service_time=work, **draw(_waiting()), **draw(_working()), **some)
