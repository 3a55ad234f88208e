"""Users that wait for an answer: closed networks by mean value analysis.

**The model.** N users.  Each thinks for Z seconds in the mean, sends a request, which visits
station i V_i times for a mean service of S_i each, gets the answer, and thinks again.  Unlike open
arrivals, users slow down when the system does: there are never more than N requests, and no load is
unstable.  What a request asks of station i in all is its demand D_i = V_i S_i.

**The arrival theorem** (Sevcik and Mitrani 1981; Lavenberg and Reiser 1980).  A request that comes
to a station sees it as an outside observer would see the same network with one user less.  So at a
single server it waits for the mean number there with n - 1 users, and by Little's law

    R_i(n) = D_i (1 + Q_i(n-1)),    X(n) = n / (Z + sum of R_i(n)),    Q_i(n) = X(n) R_i(n),

from Q_i(0) = 0 up to n = N: exact mean value analysis (Reiser and Lavenberg 1980), a few
additions a user, no equation to solve.  R_i is time per answer, all visits together; R_i/V_i is per
visit.  A delay, where nobody queues, has R_i = D_i.

**Several servers** need the distribution of the number at the station, and the recursion for it
ends in 1 - (sum of the others), which loses all digits near saturation and can turn negative.
Networks with such a station are therefore solved by the product form under the theorem (Gordon and
Newell 1967): the probability of the numbers n_1, n_2, ... is proportional to the product of

    f_i(n) = product over j = 1 ... n of D_i / min(j, m_i),

and G(n), the sum over all ways to place n users, is a convolution of the f_i (Buzen 1973), from
which X(n) = G(n-1)/G(n).  All terms are positive.  To keep G within the range of floats every
f_i(n) is multiplied by x**n, which changes no probability; with x near X(N) the f_i are the
stations of an open network that holds N on average, and nothing over- or underflows.

**Two lines to hold against it.** X(N) <= 1/max(D_i/m_i), the bottleneck, and X(N) <= N/(Z + sum
D_i), nobody ever waiting.  They cross at `saturation` users: well below it users hardly meet, well
above it each further user only lengthens the response, by max(D_i/m_i).

Requires exponential service at first come, first served stations, and the same service for
every visit; processor sharing and delays may have any distribution (Baskett, Chandy, Muntz and
Palacios 1975).  Sources: Reiser and Lavenberg, Journal of the ACM 27 (1980); Buzen, Communications
of the ACM 16 (1973).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import PartError
from . import _arguments as check
from ._chains import stationary
from ._results import Measures

__all__ = ["ClosedNetwork", "ClosedStation", "mva"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class ClosedStation(Measures):
    """One station of `mva`: `wait` and `response` are those of one visit.

    Parameters
    ----------
    residence : float
        Seconds there per answer: all visits together.
    """

    residence: float


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class ClosedNetwork(Measures):
    """What `mva` returns: the means of the network without the users who think.

    `response` is from sending to answer, `throughput` answers per second, `utilisation` that of
    the bottleneck.

    Parameters
    ----------
    thinking : float
        Mean number of users who think.
    bottleneck : str
        The station with the largest demand per server.
    throughput_limit : float
        Answers per second that no number of users exceeds.
    saturation : float
        Number of users at which the two bounds of the throughput cross.
    stations : dict of str to ClosedStation
        Each station.
    """

    thinking: float
    bottleneck: str
    throughput_limit: float
    saturation: float
    stations: dict[str, ClosedStation] = dataclasses.field(repr=False)


def mva(
    *,
    users: int,
    service_means: Mapping[str, float],
    visits: Mapping[str, float] | None = None,
    servers: float | Mapping[str, float] = 1,
    think_mean: float = 0.0,
) -> ClosedNetwork:
    """Return the steady state of a closed network by exact mean value analysis.

    Parameters
    ----------
    users : int
        How many users there are, one or more.
    service_means : mapping of str to float
        For every station, the mean seconds of one service.
    visits : mapping of str to float, optional
        Mean number of visits to each station per answer; one for a station that is not named.
    servers : int, math.inf or mapping of str to these
        Servers of every station, or of each; one for a station that is not named; ``math.inf``
        makes it a delay, where nobody waits.
    think_mean : float
        Mean seconds between an answer and the next request, 0 or more.

    Raises
    ------
    PartError
        When an argument is not what is said above, names a station that has no service mean, or
        when there is no station with a queue.

    Examples
    --------
    >>> def shop(users):
    ...     return mva(users=users, think_mean=1.0, service_means={"web": 0.01, "db": 0.05},
    ...                visits={"db": 2.0}, servers={"web": 4})
    >>> shop(10)
    ClosedNetwork(utilisation=0.78082, wait=0.1707, response=0.2807, in_queue=1.3329, \
in_system=2.1918, throughput=7.8082, thinking=7.8082, bottleneck='db', throughput_limit=10, \
saturation=11.1)

    Up to saturation users hardly meet; far above it each further one costs everybody 100 ms:

    >>> [round(shop(n).response, 2) for n in (1, 5, 20, 30, 40)]
    [0.11, 0.16, 1.0, 2.0, 3.0]
    """
    where = "mva"
    population = check.count(where, "users", users)
    means = {
        name: check.positive(where, f"service_means[{name!r}]", mean)
        for name, mean in check.by_name(where, "service_means", service_means).items()
    }
    names = list(means)
    trips = dict.fromkeys(names, 1.0)
    for name, times in check.by_name(where, "visits", visits or {}).items():
        _known("visits", name, names)
        trips[name] = check.positive(where, f"visits[{name!r}]", times)
    sizes = _servers(servers, names)
    think = check.at_least_zero(where, "think_mean", think_mean)
    demands = {name: means[name] * trips[name] for name in names}
    queueing = [name for name in names if sizes[name] < math.inf]
    if not queueing:
        problem = "has no station with a queue; give one of them a whole number of servers"
        raise PartError("theory.mva", "servers" if names else "service_means", problem)
    solve = _by_convolution if any(sizes[name] > 1 for name in queueing) else _by_recursion
    rate, numbers, waiting = solve(population, demands, sizes, think)

    stations = {}
    for name in names:
        flow = rate * trips[name]
        here, queued = numbers[name], waiting[name]
        stations[name] = ClosedStation(
            utilisation=rate * demands[name] / sizes[name],
            wait=queued / flow,
            response=here / flow,
            in_queue=queued,
            in_system=here,
            throughput=flow,
            residence=here / rate,
        )
    bottleneck = max(queueing, key=lambda name: demands[name] / sizes[name])
    slowest = demands[bottleneck] / sizes[bottleneck]
    in_queue = math.fsum(waiting.values())
    in_system = math.fsum(numbers.values())
    return ClosedNetwork(
        utilisation=stations[bottleneck].utilisation,
        wait=in_queue / rate,
        response=in_system / rate,
        in_queue=in_queue,
        in_system=in_system,
        throughput=rate,
        thinking=rate * think,
        bottleneck=bottleneck,
        throughput_limit=1.0 / slowest,
        saturation=(think + math.fsum(demands.values())) / slowest,
        stations=stations,
    )


def _known(argument: str, name: str, names: list[str]) -> None:
    if name not in names:
        problem = f"names {name!r}, which has no service mean; stations are: {', '.join(names)}"
        raise PartError("theory.mva", argument, problem)


def _servers(servers: object, names: list[str]) -> dict[str, float]:
    def size(argument: str, value: object) -> float:
        if isinstance(value, float) and value == math.inf:
            return math.inf
        try:
            return check.count("mva", argument, value)
        except PartError:
            allowed = "a whole number, 1 or more, or math.inf for a delay"
            raise check.wrong("mva", argument, value, allowed) from None

    if not isinstance(servers, Mapping):
        return dict.fromkeys(names, size("servers", servers))
    sizes = dict.fromkeys(names, 1.0)
    for name, value in check.by_name("mva", "servers", servers).items():
        _known("servers", name, names)
        sizes[name] = size(f"servers[{name!r}]", value)
    return sizes


Solution = tuple[float, dict[str, float], dict[str, float]]


def _by_recursion(
    users: int, demands: dict[str, float], sizes: dict[str, float], think: float
) -> Solution:
    """Return throughput, number at and number waiting at each station, by the arrival theorem."""
    demand = np.array(list(demands.values()))
    queues = np.array([1.0 if sizes[name] == 1 else 0.0 for name in demands])
    numbers = np.zeros(len(demand))
    rate = 0.0
    for n in range(1, users + 1):
        times = demand * (1.0 + queues * numbers)
        rate = n / (think + float(times.sum()))
        before, numbers = numbers, rate * times
    # Those waiting: what an arrival finds, each for one service time.
    waiting = rate * demand * queues * before
    return (
        rate,
        dict(zip(demands, numbers.tolist(), strict=True)),
        dict(zip(demands, waiting.tolist(), strict=True)),
    )


def _by_convolution(
    users: int, demands: dict[str, float], sizes: dict[str, float], think: float
) -> Solution:
    """Return the same from the product form, for stations with several servers."""
    names = list(demands)
    work = [(demands[name], sizes[name]) for name in names]
    if think > 0.0:
        work.append((think, math.inf))
    x = _tilt(users, work)
    parts = [_weights(users, x, demand, size) for demand, size in work]
    # The convolutions of all parts before, and of all parts after, each one.
    head = [_one(users)]
    for part in parts:
        head.append(np.convolve(head[-1], part)[: users + 1])
    tail = [_one(users)]
    for part in reversed(parts):
        tail.append(np.convolve(tail[-1], part)[: users + 1])
    total = head[-1]
    rate = x * float(total[users - 1] / total[users])
    numbers, waiting = {}, {}
    n = np.arange(users + 1, dtype=np.float64)
    for i, name in enumerate(names):
        others = np.convolve(head[i], tail[len(parts) - 1 - i])[: users + 1]
        here = parts[i] * others[::-1] / total[users]
        numbers[name] = float(np.dot(here, n))
        waiting[name] = float(np.dot(here, np.maximum(n - sizes[name], 0.0)))
    return rate, numbers, waiting


def _one(users: int) -> NDArray[np.float64]:
    unit = np.zeros(users + 1)
    unit[0] = 1.0
    return unit


def _weights(users: int, x: float, demand: float, size: float) -> NDArray[np.float64]:
    """Return f(n) x**n for n = 0 ... users, scaled to the sum 1."""
    return stationary("mva", lambda n: x * demand / np.minimum(n + 1.0, size), last=users)[1]


def _tilt(users: int, work: list[tuple[float, float]]) -> float:
    """Return x for which the tilted stations hold `users` together, to a few digits."""
    n = np.arange(users + 1, dtype=np.float64)

    def held(x: float) -> float:
        return sum(float(np.dot(n, _weights(users, x, *part))) for part in work)

    low = high = users / sum(demand for demand, _ in work)
    while held(high) < users:
        high *= 2.0
    while held(low) > users:
        low /= 2.0
    for _ in range(20):
        middle = math.sqrt(low * high)
        if held(middle) < users:
            low = middle
        else:
            high = middle
    return high
