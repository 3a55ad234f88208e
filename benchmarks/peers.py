"""Other simulators that install beside this one, each used as its documentation shows.

Ciw and salabim keep more than the rows and cannot be told not to; that is their plain use.
They are imported by name, so that none of them is needed.
"""

from __future__ import annotations

import random
from importlib import import_module
from typing import Any

from .timing import MissingError
from .workloads import ENDPOINTS, LOAD, Workload

PEERS = ("ciw", "salabim", "simulus")


def installed(name: str) -> Any:
    """Return the peer's module.

    Raises
    ------
    MissingError
        When it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingError(f"{name} is not installed") from error


def covers(peer: str, workload: Workload) -> bool:
    """Return whether the peer can do the workload with what it has."""
    return workload.servers > 0 or (peer == "ciw" and workload.ciw != "")


def run(peer: str, workload: Workload, requests: int, seed: int) -> list[Any]:
    """Run a workload on a peer; return its rows, whatever they look like there.

    Raises
    ------
    MissingError
        When the peer is not installed.
    """
    if peer == "ciw":
        return _ciw(workload, requests, seed)
    simulator = _salabim if peer == "salabim" else _simulus
    return simulator(workload.servers, requests, seed)


def _ciw(workload: Workload, requests: int, seed: int) -> list[Any]:
    """M/M/c is one node; endpoints are nodes behind one that takes no time and routes."""
    ciw = installed("ciw")
    arrivals, work, routes = ciw.dists.Exponential, ciw.dists.Exponential(1.0), ciw.routing
    if workload.servers:
        network = ciw.create_network(
            arrival_distributions=[arrivals(LOAD * workload.servers)],
            service_distributions=[work],
            number_of_servers=[workload.servers],
        )
    else:
        nodes = list(range(2, ENDPOINTS + 2))
        routers = {
            "random": lambda: routes.Probabilistic(nodes, _equal(ENDPOINTS)),
            "round robin": lambda: routes.Cycle(nodes),
            # its JoinShortestQueue does not count the customer in service; this one does
            "least of all": lambda: routes.LoadBalancing(nodes),
        }
        leave = [routes.Leave() for _ in nodes]
        network = ciw.create_network(
            arrival_distributions=[arrivals(LOAD * ENDPOINTS)] + [None] * ENDPOINTS,
            service_distributions=[ciw.dists.Deterministic(0.0)] + [work] * ENDPOINTS,
            number_of_servers=[float("inf")] + [1] * ENDPOINTS,
            routing=routes.NetworkRouting([routers[workload.ciw](), *leave]),
        )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(requests, method="Finish")
    last = 1 if workload.servers else 2
    return [record for record in simulation.get_all_records() if record.node >= last]


def _equal(count: int) -> list[float]:
    """Return so many equal probabilities whose floating-point sum is 1, which Ciw insists on."""
    most = [1.0 / count] * (count - 1)
    return [*most, 1.0 - sum(most)]


def _salabim(servers: int, requests: int, seed: int) -> list[Any]:
    salabim: Any = installed("salabim")
    salabim.yieldless(False)
    env = salabim.Environment(random_seed=seed)
    workers = salabim.Resource(capacity=servers)
    rng = random.Random(seed)
    rows = []

    class Request(salabim.Component):  # type: ignore[misc]
        def process(self) -> Any:
            arrival = env.now()
            yield self.request(workers)
            start = env.now()
            yield self.hold(rng.expovariate(1.0))
            rows.append((arrival, start, env.now()))

    class Source(salabim.Component):  # type: ignore[misc]
        def process(self) -> Any:
            for _ in range(requests):
                yield self.hold(rng.expovariate(LOAD * servers))
                Request()

    Source()
    env.run()
    return rows


def _simulus(servers: int, requests: int, seed: int) -> list[Any]:
    simulator = installed("simulus").simulator()
    workers = simulator.resource(capacity=servers)
    rng = random.Random(seed)
    rows = []

    def request() -> None:
        arrival = simulator.now
        workers.acquire()
        start = simulator.now
        simulator.sleep(rng.expovariate(1.0))
        workers.release()
        rows.append((arrival, start, simulator.now))

    def source() -> None:
        for _ in range(requests):
            simulator.sleep(rng.expovariate(LOAD * servers))
            simulator.process(request)

    simulator.process(source)
    simulator.run()
    return rows
