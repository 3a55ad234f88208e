"""The sides that a workload is measured on, each as seconds of processor time a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import simpy

import mesh_lab as ml
from mesh_lab.engines import express
from mesh_lab.simulate import _columns

from . import peers
from .event_loop import event_loop
from .timing import MissingError, Timed, average, seconds
from .workloads import ENDPOINTS, KEYS, LOAD, Workload

PLAIN, SIMPY, COMPILED, C = "plain SimPy", "SimPy engine", "compiled engine", "C"
SIDES = (PLAIN, SIMPY, COMPILED, C, *peers.PEERS)


@dataclass(frozen=True)
class Sizes:
    """How many requests each side simulates; the slow ones fewer, the times are per request."""

    ours: int = 1_000_000
    plain: int = 100_000
    peers: int = 20_000


QUICK = Sizes(ours=100_000, plain=20_000, peers=4_000)


def by_simpy(scenario: ml.Scenario, requests: int, seed: int) -> object:
    """Run the quickest of ours on SimPy: the express lane where it fits, else the reference."""
    if not express.fits(scenario):
        return ml.simulate(scenario, requests=requests, seed=seed, engine="simpy")
    ledger = express.run(simpy.Environment(), scenario, seed, requests=requests, until=None)
    columns = _columns(ledger)
    return ml.Run(scenario, seed, columns, duration=float(columns.finish.max()))


def compiled(scenario: ml.Scenario, requests: int, seed: int) -> object:
    """Run the compiled engine.

    Raises
    ------
    MissingError
        When it is not there, or cannot run this scenario.
    """
    if find_spec("mesh_lab.engines.compiled") is None:
        raise MissingError("mesh_lab has no compiled engine yet")
    if find_spec("numba") is None:
        raise MissingError("numba is not installed")
    engine: Any = "compiled"
    try:
        return ml.simulate(scenario, requests=requests, seed=seed, engine=engine)
    except ml.ScenarioError as error:
        raise MissingError(f"the compiled engine cannot run it: {error}") from error


def on(workload: Workload) -> list[str]:
    """Return the sides that can do a workload, installed or not."""
    return [
        side
        for side in SIDES
        if (workload.c if side == C else side not in peers.PEERS or peers.covers(side, workload))
    ]


def timed(side: str, workload: Workload, sizes: Sizes) -> Timed:
    """Return what measures one side of one workload, for a seed."""
    if side == PLAIN:
        return partial(_plain, workload, sizes.plain)
    if side == C:
        return partial(_c, workload, sizes.ours)
    if side in (SIMPY, COMPILED):
        run = by_simpy if side == SIMPY else compiled
        # not every event scenario has an express lane on SimPy, and a request among services makes
        # several rows
        fewer = side == SIMPY and type(workload) is not Workload
        requests = sizes.plain if fewer else sizes.ours
        return partial(engine_seconds, run, workload, ENDPOINTS, requests)
    return partial(_peer, side, workload, sizes.peers)


def engine_seconds(
    run: Callable[..., object], workload: Workload, endpoints: int, requests: int, seed: int
) -> float:
    """Return an engine's seconds a request, compiled before.

    The quick one has also run once before, so that it has its memory from the system: there the
    first touch of a page takes as long as many requests.
    """
    scenario = workload.scenario(endpoints)
    run(scenario, requests if run is compiled else 1_000, seed)
    return average(partial(seconds, partial(run, scenario, requests, seed))) / requests


def _plain(workload: Workload, requests: int, seed: int) -> float:
    return seconds(partial(workload.plain, requests, seed)) / requests


def _c(workload: Workload, requests: int, seed: int) -> float:
    shape = {"endpoints": 1 if workload.servers else ENDPOINTS, "workers": workload.servers or 1}

    def once() -> float:
        return event_loop(workload.c, requests, **shape, load=LOAD, seed=seed, keys=KEYS)[0]

    return average(once) / requests


def _peer(peer: str, workload: Workload, requests: int, seed: int) -> float:
    peers.installed(peer)  # importing is not part of the work
    return seconds(partial(peers.run, peer, workload, requests, seed)) / requests
