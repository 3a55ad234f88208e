"""What is measured: M/M/1, M/M/10, and 50 FIFO endpoints at load 0.8 under each policy.

A workload names the same work for every side: the plain script, the scenario for the engines, the
C loop's policy and Ciw's router where they have one, and the bar for compiled / plain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mesh_lab as ml

from . import plain_aware as aware
from . import plain_static as static
from .plain import mmc
from .plain_balancing import Policy, balanced
from .timing import MissingError

LOAD, ENDPOINTS = 0.8, 50
KEYS = 100_000  # all equally likely, so that hashing spreads them about evenly
WEIGHTS = (4.0, 5.0)  # in turn: equal endpoints stay below load 0.9


@dataclass(frozen=True)
class Workload:
    """One line of the table.

    `part` and `options` are the class in `mesh_lab` and its arguments; `servers` is given for
    M/M/c instead.
    """

    name: str
    bar: float
    part: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    policy: Policy | None = None
    servers: int = 0
    weighted: bool = False
    keyed: bool = False
    c: str = ""
    ciw: str = ""
    grows: bool = False  # whether its growth with the endpoints has a bar
    simpy_bar: float = 4.0  # for the SimPy engine / plain

    def plain(self, requests: int, seed: int) -> object:
        """Run the plain script."""
        if self.policy is None:
            return mmc(requests, load=LOAD, servers=self.servers, seed=seed)
        return balanced(
            self.policy,
            requests,
            endpoints=ENDPOINTS,
            load=LOAD,
            seed=seed,
            weights=self.weights(ENDPOINTS) if self.weighted else None,
            keys=KEYS if self.keyed else None,
        )

    def weights(self, endpoints: int) -> list[float]:
        """Return the weights of so many endpoints."""
        return [WEIGHTS[e % len(WEIGHTS)] for e in range(endpoints)]

    def scenario(self, endpoints: int = ENDPOINTS) -> ml.Scenario:
        """Return the scenario for the engines.

        Raises
        ------
        MissingError
            When mesh_lab has not got the policy, or does not take its options.
        """
        work = ml.Exponential(mean=1.0)
        if self.policy is None:
            return ml.Scenario(
                ml.Poisson("a", rate=LOAD * self.servers, to="s"),
                ml.Service("s", workers=self.servers, service_time=work),
            )
        who: dict[str, Any] = {"replicas": endpoints}
        if self.weighted:
            endpoint = _part("Endpoint")
            who = {
                "endpoints": tuple(
                    endpoint(f"e{e}", weight=w) for e, w in enumerate(self.weights(endpoints))
                )
            }
        keys: dict[str, Any] = {"key": _part("Keys")(count=KEYS)} if self.keyed else {}
        rule = _part(self.part)
        try:
            source = ml.Poisson("a", rate=LOAD * endpoints, to="s", **keys)
            service = ml.Service("s", service_time=work, balancer=rule(**self.options), **who)
            return ml.Scenario(source, service)
        except (TypeError, ml.MeshLabError) as error:
            raise MissingError(f"mesh_lab does not take it: {error}") from error


def _part(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] | None = getattr(ml, name, None)
    if found is None:
        raise MissingError(f"mesh_lab has no {name}")
    return found


# state is what the endpoints have to do: a rule that counts its own turns ignores it
_mmc = partial(Workload, bar=100.0)
_blind = partial(Workload, bar=80.0)
_weighted = partial(_blind, weighted=True)
_keyed = partial(_blind, keyed=True)
_seeing = partial(Workload, bar=60.0)

WORKLOADS = (
    # the SimPy engine has kept 5 on these two since before there was a second engine
    _mmc("M/M/1", servers=1, c="random", simpy_bar=5.0),
    _mmc("M/M/10", servers=10, c="random", simpy_bar=5.0),
    _blind(
        "random", part="Random", policy=static.random_choice, c="random", ciw="random", grows=True
    ),
    _blind(
        *("round robin",),
        part="RoundRobin",
        policy=static.round_robin,
        c="round robin",
        ciw="round robin",
        grows=True,
    ),
    _weighted("weighted, EDF", part="RoundRobin", policy=static.earliest_deadline, grows=True),
    _weighted("weighted, smooth", part="SmoothRoundRobin", policy=static.smooth),
    _weighted("weighted, stride", part="StaticStride", policy=static.static_stride),
    _weighted("weighted random", part="WeightedRandom", policy=static.weighted_random),
    _blind("iptables chain", part="IptablesChain", policy=static.iptables_chain),
    _keyed("ring hash", part="RingHash", policy=static.ring_hash, c="ring hash", grows=True),
    _keyed("Maglev", part="Maglev", policy=static.maglev, grows=True),
    _keyed("rendezvous", part="Rendezvous", policy=static.rendezvous),
    _keyed("jump hash", part="JumpHash", policy=static.jump),
    _seeing(
        *("least request of 2",),
        part="LeastRequest",
        policy=aware.least_of_two,
        c="least request of 2",
        grows=True,
    ),
    _seeing(
        *("least request of all",),
        part="LeastRequest",
        options={"choices": "all"},
        policy=aware.least_of_all,
        c="least request of all",
        ciw="least of all",
        grows=True,
    ),
    _seeing(
        *("join shortest queue",),
        part="JoinShortestQueue",
        policy=aware.least_of_all,
        c="least request of all",
        ciw="least of all",
        grows=True,
    ),
    _seeing("power of 2", part="PowerOfD", options={"choices": 2}, policy=aware.power_of_two),
    _seeing("least connections", part="LeastConnections", policy=aware.least_connections),
    _seeing(
        *("first available",),
        part="FirstAvailable",
        options={"limit": aware.LIMIT},
        policy=aware.first_available,
    ),
    _seeing("join idle queue", part="JoinIdleQueue", policy=aware.join_idle_queue, grows=True),
    _seeing("least work left", part="LeastWorkLeft", policy=aware.least_work_left, grows=True),
    _seeing(
        *("peak EWMA",),
        part="PeakEwma",
        options={"decay": aware.DECAY},
        policy=aware.peak_ewma,
        grows=True,
    ),
    _seeing("C3", part="C3", policy=aware.c3),
    _seeing(
        "Prequal", part="Prequal", options={"probe_delay": aware.PROBE_DELAY}, policy=aware.prequal
    ),
    _seeing(
        *("ring hash, bounded",),
        part="RingHash",
        options={"balance_factor": round(100 * static.BOUND)},
        policy=static.bounded_ring,
        keyed=True,
    ),
)
