"""What may be looked at at any time: guarantees by simulation, and exactly where that is possible.

Every simulated guarantee is at 5 %, over 2000 experiments without a difference: the number of
alarms may exceed 5 % by what chance does in 1 of 1000 cases (99.9 % point of the binomial, 6.6 %).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from mesh_lab import experiments

from .test_experiments import faulty

RUNS = 2000
MOST = float(stats.binom.ppf(0.999, RUNS, 0.05)) / RUNS

# --- the mixture ratio ---------------------------------------------------------------------------


def agrees_sequential_means(sequential_means: Callable[..., Any]) -> None:
    sigma, tau, alpha = 3.0, 0.7, 0.05
    for n, d in ((10, 2.0), (200, 0.9), (5000, 0.1)):
        known = sequential_means(
            means=([1.0], [1.0 + d]), deviations=([sigma], [sigma]), trials=([n], [n]),
            effect=tau, significance=alpha, least=1,
        )  # fmt: skip
        # the formula of Johari et al., for equal sizes
        ratio = math.sqrt(2 * sigma**2 / (2 * sigma**2 + n * tau**2)) * math.exp(
            n**2 * tau**2 * d**2 / (4 * sigma**2 * (2 * sigma**2 + n * tau**2))
        )
        assert known.p_value == pytest.approx(min(1.0, 1.0 / ratio), rel=1e-9)
    # unequal sizes: the mixture, by quadrature over the true difference
    n1, n2, d = 300, 80, 0.8
    v = 2.0**2 / n1 + 5.0**2 / n2

    def mixed(centre: float, d: float = d) -> float:
        def weighed(b: float) -> float:
            likelihood = math.exp((d - centre) ** 2 / (2 * v) - (d - centre - b) ** 2 / (2 * v))
            return likelihood * math.exp(-b * b / (2 * tau**2)) / (tau * math.sqrt(2 * math.pi))

        return float(integrate.quad(weighed, -8, 8, points=(0.0, d), limit=200)[0])

    known = sequential_means(
        means=([1.0], [1.0 + d]), deviations=([2.0], [5.0]), trials=([n1], [n2]),
        effect=tau, significance=alpha, least=1,
    )  # fmt: skip
    assert known.p_value == pytest.approx(min(1.0, 1.0 / mixed(0.0)), rel=1e-8)
    # the limits are the differences that the same test just rejects
    assert mixed(known.low) == pytest.approx(1.0 / alpha, rel=1e-6)
    assert mixed(known.high) == pytest.approx(1.0 / alpha, rel=1e-6)
    # several looks: the smallest p, the narrowest limits, and the first rejection
    looks = sequential_means(
        means=([0.0, 0.0, 0.0], [0.3, 2.0, 0.1]), deviations=([1.0] * 3, [1.0] * 3),
        trials=([50, 100, 150], [50, 100, 150]), effect=1.0, least=1,
    )  # fmt: skip
    assert looks.stopped == 1
    assert looks.p_values[2] == looks.p_values[1] < looks.p_values[0]
    assert looks.p_value == looks.p_values[2]
    assert list(looks.lows) == sorted(looks.lows)
    assert list(looks.highs) == sorted(looks.highs, reverse=True)
    # too few are not looked at
    few = sequential_means(
        means=([0.0], [9.0]), deviations=([1.0], [1.0]), trials=([99], [500]), effect=1.0
    )
    assert few.p_value == 1.0
    assert few.stopped is None
    assert (few.low, few.high) == (-math.inf, math.inf)


def mean_looks(rng: np.random.Generator, shift: float, n: int) -> tuple[Any, Any, Any]:
    """Return running means of both sides at every observation, and their count."""
    counts = np.arange(1, n + 1)
    x, y = rng.standard_normal(n), shift + rng.standard_normal(n)
    return np.cumsum(x) / counts, np.cumsum(y) / counts, counts


def means_alarms(sequential_means: Callable[..., Any], shift: float, n: int) -> tuple[float, ...]:
    """Return the shares that stopped, that ever missed the truth, and that naive looks stopped."""
    stopped = missed = naive = 0
    for seed in range(1, RUNS + 1):
        x, y, counts = mean_looks(np.random.default_rng(seed), shift, n)
        known = sequential_means(
            means=(x, y), deviations=(np.ones(n), np.ones(n)), trials=(counts, counts),
            effect=0.3, least=1,
        )  # fmt: skip
        stopped += known.stopped is not None
        missed += not (known.low <= shift <= known.high)
        naive += bool((abs(y - x) > 1.959964 * np.sqrt(2 / counts)).any())
    return stopped / RUNS, missed / RUNS, naive / RUNS


def test_means_with_a_look_after_every_request() -> None:
    stopped, missed, naive = means_alarms(experiments.sequential_means, 0.0, 300)
    assert stopped <= MOST
    assert missed <= MOST
    assert naive > 0.35  # the same data, read with 1.96 after every request
    stopped, missed, _ = means_alarms(experiments.sequential_means, 0.4, 300)
    assert stopped > 0.9  # a planted difference of 0.4 deviations is found
    assert missed <= MOST


RATES = ((0.1, 0.0), (0.5, 0.0), (0.9, 0.0), (0.97, 0.0), (0.9, -0.06), (0.97, -0.03))


def rate_looks(seed: int, p1: float, p2: float, n: int, step: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    at = np.arange(step, n + 1, step)
    k1 = np.cumsum(rng.random(n) < p1)[step - 1 :: step]
    k2 = np.cumsum(rng.random(n) < p2)[step - 1 :: step]
    return k1, k2, at


@pytest.mark.parametrize(("p", "shift"), RATES)
def test_rates_with_a_look_after_every_twenty_requests(p: float, shift: float) -> None:
    stopped = missed = naive = exact = 0
    for seed in range(1, RUNS + 1):
        k1, k2, at = rate_looks(seed, p, p + shift, 3000, 20)
        known = experiments.sequential_rates(successes=(k1, k2), trials=(at, at), effect=0.05)
        stopped += known.stopped is not None
        missed += not (known.low <= shift <= known.high)
        mean = (k1 + k2) / (2 * at)
        z = abs(k2 - k1) / at / np.sqrt(np.maximum(mean * (1 - mean), 1e-9) * 2 / at)
        naive += bool((z[4:] > 1.959964).any())
        if seed <= 50:
            both = experiments.rate_difference_sequence(successes=(k1, k2), trials=(at, at))
            exact += not (both.low <= shift <= both.high)
    assert missed / RUNS <= MOST
    assert exact <= float(stats.binom.ppf(0.999, 50, 0.05))
    if shift == 0.0:
        assert stopped / RUNS <= MOST
        assert naive / RUNS > 0.25
    else:
        assert stopped / RUNS > 0.9


# --- one rate, exactly ---------------------------------------------------------------------------


def agrees_rate_sequence(rate_sequence: Callable[..., Any]) -> None:
    # the limits are where the mixture, by quadrature, is 1/alpha
    for k, n, alpha in ((3, 10, 0.05), (97, 100, 0.1), (0, 7, 0.05), (12, 12, 0.01)):
        known = rate_sequence(successes=[k], trials=[n], confidence=1 - alpha)
        for p, end in ((known.low, 0.0), (known.high, 1.0)):
            if p == end:
                assert k == (0 if end == 0.0 else n)
                continue
            ratio = integrate.quad(
                lambda q, k=k, n=n, p=p: (q / p) ** k * ((1 - q) / (1 - p)) ** (n - k), 0, 1,
                epsabs=0, epsrel=1e-11,
            )[0]  # fmt: skip
            assert ratio == pytest.approx(1 / alpha, rel=1e-8)
    empty = rate_sequence(successes=[0, 0], trials=[0, 3])
    assert empty.lows == (0.0, 0.0)
    assert empty.highs[0] == 1.0
    assert empty.high < 1.0
    # exactly, over all courses of 150 requests, each looked at: how often the truth is ever outside
    for p in (0.5, 0.93, 0.99):
        inside = {0: 1.0}  # successes so far: probability of no miss yet
        missed = 0.0
        for n in range(1, 151):
            fresh: dict[int, float] = {}
            for k, chance in inside.items():
                for more, q in ((1, p), (0, 1 - p)):
                    fresh[k + more] = fresh.get(k + more, 0.0) + chance * q
            inside = {}
            for k, chance in fresh.items():
                if chance < 1e-12:
                    continue
                known = rate_sequence(successes=[k], trials=[n])
                if known.low <= p <= known.high:
                    inside[k] = chance
                else:
                    missed += chance
        assert missed <= 0.05
        assert missed > 0.005  # nor is it empty caution


def test_limits_only_get_narrower() -> None:
    rng = np.random.default_rng(1)
    good = np.cumsum(rng.random(2000) < 0.97)
    at = np.arange(1, 2001)
    known = experiments.rate_sequence(successes=good, trials=at)
    assert list(known.lows) == sorted(known.lows)
    assert list(known.highs) == sorted(known.highs, reverse=True)
    assert known.low < 0.97 < known.high
    # at one look it is wider than Wilson's, and not twice as wide
    wilson = stats.binomtest(int(good[-1]), 2000).proportion_ci(0.95, "wilson")
    single = experiments.rate_sequence(successes=[good[-1]], trials=[2000])
    width = (single.high - single.low) / (wilson.high - wilson.low)
    assert 1.2 < width < 2.0
    # a gate at 99 % that the service fails is seen to fail
    assert known.high < 0.99


def test_a_difference_of_two_sequences_is_their_difference() -> None:
    good, at = ([9, 90, 880], [10, 85, 800]), ([10, 100, 950], [12, 100, 900])
    both = experiments.rate_difference_sequence(successes=good, trials=at, confidence=0.9)
    one = experiments.rate_sequence(successes=good[0], trials=at[0], confidence=0.95)
    two = experiments.rate_sequence(successes=good[1], trials=at[1], confidence=0.95)
    assert both.lows == tuple(b - a for a, b in zip(one.highs, two.lows, strict=True))
    assert both.highs == tuple(b - a for a, b in zip(one.lows, two.highs, strict=True))
    assert both.estimate == pytest.approx(800 / 900 - 880 / 950)
    assert both.confidence == 0.9


# --- planted errors ------------------------------------------------------------------------------

FAULTS: tuple[tuple[str, Callable[..., None], str, str, str], ...] = (
    ("sequential_means", agrees_sequential_means, "always_valid", "(2.0 * v * w", "(v * w"),
    ("sequential_means", agrees_sequential_means, "always_valid", "0.5 * math.log(v", "math.log(v"),
    ("sequential_means", agrees_sequential_means, "always_valid", "math.log(wider / v)", "0.0"),
    ("sequential_means", agrees_sequential_means, "always_valid", "p = min(p, math", "p = (math"),
    ("sequential_means", agrees_sequential_means, "always_valid", "np.minimum(s", "np.maximum(s"),
    ("rate_sequence", agrees_rate_sequence, "confidence_sequence", "bad + 1.0", "bad + 2.0"),
    ("rate_sequence", agrees_rate_sequence, "confidence_sequence", "-math.log1p(-level)", "2.0"),
    ("rate_sequence", agrees_rate_sequence, "confidence_sequence", "log1p(-p) <", "log(p) <"),
)  # fmt: skip


@pytest.mark.parametrize(("function", "agrees"), sorted({(f[0], f[1]) for f in FAULTS}, key=str))
def test_the_function_agrees(function: str, agrees: Callable[..., None]) -> None:
    agrees(getattr(experiments, function))


@pytest.mark.parametrize(("function", "agrees", "module", "text", "fault"), FAULTS)
def test_a_planted_error_is_found(
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    agrees: Callable[..., None],
    module: str,
    text: str,
    fault: str,
) -> None:
    changed = faulty(monkeypatch, module, text, fault, function)
    with pytest.raises((AssertionError, ArithmeticError, ValueError, TypeError)):
        agrees(changed)


def test_the_simulation_would_see_too_many_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    # the planted error: the variance of one side only, so that everything looks surer
    text, wrong = "values * values / np.maximum(sizes[i], 1.0)", "values * values / 2 / sizes[i]"
    changed = faulty(monkeypatch, "always_valid", text, wrong, "sequential_means")
    stopped, missed, _ = means_alarms(changed, 0.0, 300)
    assert stopped > MOST
    assert missed > MOST
