"""Fork and join: every request goes to all branches, and is done when the last one is.

**The model.** Requests arrive as a Poisson process of rate lambda.  Each is split into N tasks, one
for each of N servers with a queue of its own and exponential service of rate mu; the request is
done when all its tasks are.  Every branch alone is M/M/1, with response 1/(mu - lambda).

**Not independent.** All branches get their tasks at the same instants: when one queue is long, the
others tend to be long too.  So the slowest of N comes sooner than the slowest of N independent
responses.  Two bounds follow, both with the harmonic number H_N = 1 + 1/2 + ... + 1/N:

- arrivals in common make the branches' responses associated, so their largest is at most that of
  independent ones: response <= H_N/(mu - lambda);
- regular arrivals are the best there are, and given the arrival times branches are independent:
  with a constant gap of 1/lambda each branch is D/M/1, whose response is exponential with rate
  mu (1 - sigma), so response >= H_N/(mu (1 - sigma)), sigma = exp(-mu (1 - sigma)/lambda).

**Two branches** have an exact answer, with rho = lambda/mu,

    T_2 = (12 - rho)/8 / (mu - lambda).

**More** have none.  Nelson and Tantawi scale T_2 by the growth that both bounds share, with a
factor fitted to simulations at loads up to 0.9 and N up to 32:

    T_N ~ (H_N/H_2 + (4 rho/11) (1 - H_N/H_2)) T_2.

It is exact at load 0, and low elsewhere: in simulations by about 1 % at half load, 2 % at 70 %, and
4 to 5 % at 90 %.

Sources: Nelson and Tantawi, IEEE Transactions on Computers 37 (1988), for T_N; Flatto and Hahn,
SIAM Journal on Applied Mathematics 44 (1984), for two branches; Baccelli, Makowski and Shwartz,
Advances in Applied Probability 21 (1989), for the bounds (recalled, not checked).
"""

from __future__ import annotations

import dataclasses
import math

from . import _arguments as check
from ._results import shown
from .fan_out import harmonic
from .gim1 import gim1

__all__ = ["ForkJoin", "fork_join"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class ForkJoin:
    """What `fork_join` returns.

    Parameters
    ----------
    utilisation : float
        Share of its time that one server is busy.
    response : float
        Mean seconds until the last task of a request is done; an approximation unless `exact`.
    lower, upper : float
        Proven bounds of that mean.
    branch_response : float
        Mean seconds until the task on one given branch is done.
    in_system : float
        Mean number of requests of which some task is not done yet (Little's law).
    exact : bool
        Whether `response` is exact: for one branch and for two.
    branches : int
        As given.
    """

    utilisation: float
    response: float
    lower: float
    upper: float
    branch_response: float
    in_system: float
    exact: bool
    branches: int

    def __repr__(self) -> str:
        return shown(self)


def fork_join(*, arrival_rate: float, service_rate: float, branches: int) -> ForkJoin:
    """Return the mean response of requests that are served by all of several M/M/1 in parallel.

    Parameters
    ----------
    arrival_rate : float
        Requests per second, each of which puts one task on every branch.
    service_rate : float
        Tasks that the busy server of one branch finishes per second.
    branches : int
        One or more.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When the arrival rate is not below the service rate.

    Notes
    -----
    Beyond 32 branches the approximation has not been compared with anything.

    Examples
    --------
    >>> fork_join(arrival_rate=5.0, service_rate=10.0, branches=2)
    ForkJoin(utilisation=0.5, response=0.2875, lower=0.18825, upper=0.3, branch_response=0.2, \
in_system=1.4375, exact=True, branches=2)
    >>> ten = fork_join(arrival_rate=5.0, service_rate=10.0, branches=10)
    >>> round(ten.lower, 3), round(ten.response, 3), round(ten.upper, 3)
    (0.368, 0.512, 0.586)
    """
    arrival = check.positive("fork_join", "arrival_rate", arrival_rate)
    service = check.positive("fork_join", "service_rate", service_rate)
    n = check.count("fork_join", "branches", branches)
    rho = arrival / service
    check.refuse_unstable(
        f"fork_join with arrival rate {arrival:.6g} and service rate {service:.6g} of each branch",
        rho,
        f"it needs a service rate above {arrival:.6g}",
    )
    branch = 1.0 / (service - arrival)
    if n == 1:
        response = branch
    else:
        growth = harmonic(n) / 1.5
        response = (growth + 4.0 * rho / 11.0 * (1.0 - growth)) * (12.0 - rho) / 8.0 * branch
    regular = gim1(
        arrival_rate=arrival,
        interarrival_laplace=lambda s: math.exp(-s / arrival),
        service_rate=service,
    )
    return ForkJoin(
        utilisation=rho,
        response=response,
        lower=branch if n == 1 else harmonic(n) * regular.response,
        upper=harmonic(n) * branch,
        branch_response=branch,
        in_system=arrival * response,
        exact=n <= 2,
        branches=n,
    )
