"""Some requests go first: M/G/1 with priority classes.

**The model.** One server and several classes, 0 the most urgent.  Class k arrives as a Poisson
process of rate lambda_k and has its own service time S_k.  Within a class it is first come, first
served.  With s_k the load of the classes 0 ... k together (s_-1 = 0), all classes have a steady
state when the total load is below 1.

**Non-preemptive: nobody is interrupted** (Cobham 1954).  An arrival of class k waits for what is
left of the service under way, whoever's it is: R = sum over all classes of lambda_i E[S_i**2]/2.
Then for those of its own and more urgent classes that it finds, and for the more urgent ones that
come while it waits:

    wait_k = R / ((1 - s_{k-1}) (1 - s_k)).

**Preemptive-resume: the more urgent one interrupts,** and what was interrupted goes on later where
it stopped.  Less urgent classes then do not exist for class k, so only R_k, the sum over classes
0 ... k, counts until its first start; and its own service is stretched by interruptions:

    to its first start  R_k / ((1 - s_{k-1}) (1 - s_k)),     then  E[S_k] / (1 - s_{k-1}).

Priorities take from one to give to another.  Whatever order is chosen without looking at service
times or interrupting, the sum of load_k * wait_k over the classes is the same (Kleinrock's
conservation law): with equal service times, and so equal loads per request, the mean over all
requests does not change at all.

Sources: Cobham, Operations Research 2 (1954); Kleinrock (1976), Queueing Systems volume 2,
chapter 3.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from . import _arguments as check
from ._results import Measures

__all__ = ["Priority", "PriorityClass", "mg1_priority"]


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class PriorityClass(Measures):
    """One class of `mg1_priority`; `utilisation` is the share of the server's time it takes.

    Parameters
    ----------
    wait_to_start : float
        Mean seconds until its first start.  With preemption `wait` is longer: it is all the time
        that is not its own service, interruptions included.
    """

    wait_to_start: float


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Priority(Measures):
    """What `mg1_priority` returns: the means over all requests, and each class.

    Parameters
    ----------
    classes : tuple of PriorityClass
        The most urgent first.
    """

    classes: tuple[PriorityClass, ...]


def mg1_priority(
    *,
    arrival_rates: Sequence[float],
    service_means: Sequence[float],
    service_scvs: Sequence[float],
    preemptive: bool = False,
) -> Priority:
    """Return the steady state of M/G/1 with priority classes, the most urgent first.

    Parameters
    ----------
    arrival_rates : sequence of float
        Requests per second of each class.
    service_means : sequence of float
        Mean service time of each class, in seconds.
    service_scvs : sequence of float
        Squared coefficient of variation of each class's service time.
    preemptive : bool
        False: a service is never interrupted.  True: preemptive-resume.

    Raises
    ------
    PartError
        When an argument is not what is said above, or the lengths differ.
    UnstableError
        When the total load is not below 1; the message names the first class that has no steady
        state.

    Examples
    --------
    >>> two = mg1_priority(arrival_rates=(10.0, 30.0), service_means=(0.020, 0.020),
    ...                    service_scvs=(1.0, 1.0))
    >>> [round(c.wait, 4) for c in two.classes], round(two.wait, 4)
    ([0.02, 0.1], 0.08)

    With preemption the urgent class sees an M/M/1 of its own:

    >>> two = mg1_priority(arrival_rates=(10.0, 30.0), service_means=(0.020, 0.020),
    ...                    service_scvs=(1.0, 1.0), preemptive=True)
    >>> two.classes[0]
    PriorityClass(utilisation=0.2, wait=0.005, response=0.025, in_queue=0.05, in_system=0.25, \
throughput=10, wait_to_start=0.005)
    """
    where = "mg1_priority"
    given = check.per_class(where, "arrival_rates", arrival_rates)
    size = len(given)
    rates = [check.positive(where, f"arrival_rates[{k}]", v) for k, v in enumerate(given)]
    given = check.per_class(where, "service_means", service_means, size)
    means = [check.positive(where, f"service_means[{k}]", v) for k, v in enumerate(given)]
    given = check.per_class(where, "service_scvs", service_scvs, size)
    scvs = [check.at_least_zero(where, f"service_scvs[{k}]", v) for k, v in enumerate(given)]
    if not isinstance(preemptive, bool):
        raise check.wrong(where, "preemptive", preemptive, "True or False")
    loads = [r * m for r, m in zip(rates, means, strict=True)]
    _refuse_unstable(loads, preemptive)
    residuals = [r * m * m * (1.0 + v) / 2.0 for r, m, v in zip(rates, means, scvs, strict=True)]

    classes = []
    for k in range(size):
        ahead = 1.0 - math.fsum(loads[:k])
        within = 1.0 - math.fsum(loads[: k + 1])
        residual = math.fsum(residuals[: k + 1] if preemptive else residuals)
        to_start = residual / (ahead * within)
        interrupted = means[k] * (1.0 - ahead) / ahead if preemptive else 0.0
        wait = to_start + interrupted
        classes.append(
            PriorityClass(
                utilisation=loads[k],
                wait=wait,
                response=wait + means[k],
                in_queue=rates[k] * wait,
                in_system=rates[k] * wait + loads[k],
                throughput=rates[k],
                wait_to_start=to_start,
            )
        )
    total = math.fsum(rates)
    in_queue = math.fsum(c.in_queue for c in classes)
    in_system = math.fsum(c.in_system for c in classes)
    return Priority(
        utilisation=math.fsum(loads),
        wait=in_queue / total,
        response=in_system / total,
        in_queue=in_queue,
        in_system=in_system,
        throughput=total,
        classes=tuple(classes),
    )


def _refuse_unstable(loads: list[float], preemptive: bool) -> None:
    total = math.fsum(loads)
    if total < 1.0:
        return
    first = next(k for k in range(len(loads)) if math.fsum(loads[: k + 1]) >= 1.0)
    kind = "preemptive-resume" if preemptive else "non-preemptive"
    check.refuse_unstable(
        f"M/G/1 with {len(loads)} {kind} priority classes",
        total,
        f"classes 0 to {first} together ask for {math.fsum(loads[: first + 1]):.6g} of the one "
        f"server, so the work of class {first} is never caught up with",
    )
