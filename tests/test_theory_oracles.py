"""Independent answers that the closed forms of `mesh_lab.theory` are held against.

- `steady_state`: the Markov chain itself, written down by its transitions, explored, and solved by
  the algorithm of Grassmann, Taksar and Heyman (no subtractions) or by a sparse solver.
- `absorbed_later`: the time that a request takes through a chain, by the
  exponential of its generator.
- `md1_wait_tail`: the alternating sum for M/D/1 in decimal arithmetic of hundreds of digits.
- `lindley` and `mean_interval`: the recursion of waits on random numbers, with an interval.

Tests of the oracles themselves are at the end; the other ``test_theory_*`` files use them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse, stats
from scipy.sparse.linalg import expm_multiply, spsolve

State = Hashable
Moves = Callable[[Any], Iterable[tuple[Any, float]]]
Edges = list[tuple[int, int, float]]

EXACT = 1e-10  # relative: what a numerically solved chain is trusted for


def explore(moves: Moves, start: Iterable[State]) -> tuple[dict[Any, int], Edges]:
    """Return the states that can be reached, numbered as found, and all transitions."""
    index: dict[Any, int] = {}
    for state in start:
        index.setdefault(state, len(index))
    todo, edges = list(index), []
    while todo:
        state = todo.pop()
        for other, rate in moves(state):
            if other not in index:
                index[other] = len(index)
                todo.append(other)
            if rate > 0.0 and other != state:
                edges.append((index[state], index[other], rate))
    return index, edges


def steady_state(moves: Moves, start: State) -> dict[Any, float]:
    """Return the steady state of the chain with these transition rates."""
    index, edges = explore(moves, [start])
    p = _gth(len(index), edges) if len(index) <= 500 else _sparse(len(index), edges)
    return {state: float(p[i]) for state, i in index.items()}


def _gth(n: int, edges: Edges) -> NDArray[np.float64]:
    q = np.zeros((n, n))
    for i, j, rate in edges:
        q[i, j] += rate
    for k in range(n - 1, 0, -1):
        q[:k, k] /= q[k, :k].sum()
        q[:k, :k] += np.outer(q[:k, k], q[k, :k])
    p = np.zeros(n)
    p[0] = 1.0
    for k in range(1, n):
        p[k] = p[:k] @ q[:k, k]
    return np.asarray(p / p.sum())


def _sparse(n: int, edges: Edges) -> NDArray[np.float64]:
    """Fix the first state at weight 1, and balance the flow through all the others."""
    i, j, rate = (np.array(column) for column in zip(*edges, strict=True))
    flow = sparse.coo_matrix((rate, (j, i)), shape=(n, n)).tocsc()
    out = np.asarray(flow.sum(axis=0)).ravel()
    balance = (flow - sparse.diags(out)).tocsc()
    p = np.ones(n)
    p[1:] = spsolve(balance[1:, 1:], -balance[1:, 0].toarray().ravel())
    return np.asarray(p / p.sum())


def mean_of(p: Mapping[Any, float], value: Callable[[Any], float]) -> float:
    return math.fsum(share * value(state) for state, share in p.items())


def absorbed_later(moves: Moves, begins: Mapping[Any, float], t: float) -> float:
    """Return P(not in the state None by time t) for a chain that begins as told."""
    index, edges = explore(lambda s: [] if s is None else moves(s), [None, *begins])
    if not edges:  # nobody on the way
        return math.fsum(p for s, p in begins.items() if s is not None)
    i, j, rate = (np.array(column) for column in zip(*edges, strict=True))
    flow = sparse.coo_matrix((rate, (j, i)), shape=(len(index), len(index))).tocsc()
    q = (flow - sparse.diags(np.asarray(flow.sum(axis=0)).ravel())).tocsc()
    now = np.array([begins.get(state, 0.0) if state is not None else 0.0 for state in index])
    return float(expm_multiply(q * t, now, traceA=t * q.diagonal().sum())[1:].sum())


def md1_wait_tail(load: str, t: str, digits: int = 400) -> Decimal:
    """Return P(wait > t) of M/D/1 with service time 1, from the defining alternating sum."""
    with localcontext() as context:
        context.prec = digits
        rho, time, total, factorial = Decimal(load), Decimal(t), Decimal(0), Decimal(1)
        for k in range(int(time) + 1):
            factorial *= max(k, 1)
            x = rho * (k - time)
            total += (x**k if k else Decimal(1)) / factorial * (-x).exp()
        return 1 - (1 - rho) * total


def lindley(gaps: NDArray[np.float64], services: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the waits of a single first come, first served server, by Lindley's recursion."""
    walk = np.concatenate([[0.0], np.cumsum(services[:-1] - gaps[1:])])
    return np.asarray(walk - np.minimum.accumulate(walk))


def mean_interval(
    run: Callable[[np.random.Generator], float], runs: int, confidence: float
) -> tuple[float, float]:
    """Return an interval for the mean of independent runs, seeds 1, 2, ... `runs`."""
    values = np.array([run(np.random.default_rng(seed)) for seed in range(1, runs + 1)])
    half = stats.t.ppf(0.5 + confidence / 2.0, runs - 1) * values.std(ddof=1) / math.sqrt(runs)
    return float(values.mean() - half), float(values.mean() + half)


def test_a_chain_is_solved_as_fractions_solve_it() -> None:
    # M/M/2 with one place to wait, lambda = 3, mu = 2: weights 1, 3/2, 9/8, 27/32.
    weights = [Fraction(1), Fraction(3, 2), Fraction(9, 8), Fraction(27, 32)]
    exact = [float(w / sum(weights)) for w in weights]

    def moves(n: int) -> list[tuple[int, float]]:
        return [(n + 1, 3.0 if n < 3 else 0.0)] * (n < 3) + [(n - 1, 2.0 * min(n, 2))] * (n > 0)

    p = steady_state(moves, 0)
    assert [p[n] for n in range(4)] == pytest.approx(exact, rel=1e-15)
    index, edges = explore(moves, [0])
    assert _sparse(len(index), edges) == pytest.approx(exact, rel=1e-14)


def test_a_chain_with_a_loop_is_solved() -> None:
    # A one-way ring with rates 1, 2, 4 spends time in inverse proportion.
    p = steady_state(lambda n: [((n + 1) % 3, 2.0**n)], 0)
    assert [p[n] for n in range(3)] == pytest.approx([4 / 7, 2 / 7, 1 / 7], rel=1e-15)


def test_the_time_through_two_stages_is_erlang() -> None:
    later = absorbed_later(lambda n: [(n - 1 if n > 1 else None, 3.0)], {2: 1.0}, 0.7)
    assert later == pytest.approx(math.exp(-2.1) * 3.1, rel=1e-13)


def test_the_alternating_sum_has_converged() -> None:
    few, many = md1_wait_tail("0.99", "40.25", 200), md1_wait_tail("0.99", "40.25", 400)
    assert abs(few - many) < Decimal("1e-150")
    assert md1_wait_tail("0.5", "0") == Decimal("0.5")


def test_the_recursion_of_waits() -> None:
    waits = lindley(np.array([9.0, 1.0, 1.0, 7.0]), np.array([2.0, 3.0, 1.0, 1.0]))
    assert waits.tolist() == [0.0, 1.0, 3.0, 0.0]


def test_intervals_of_known_mean_cover_it_and_not_another() -> None:
    low, high = mean_interval(lambda rng: float(rng.exponential(2.0, 4000).mean()), 40, 0.999)
    assert low < 2.0 < high
    assert high < 2.0 * 1.03
