"""Circuit breakers that are declared: after how many failures, for how long, and guarding what.

The states and what leads from one to the other are in `mesh_lab.resilience.circuit_table`.  A
breaker looks at answers only: a request that waits in a callee's queue counts when its answer is
there, or when its caller gives up.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from ..balancing.rule import Make
from ..errors import PartError
from ..parts import Count, SomeSeconds, part
from .circuit import CONSECUTIVE, RATE, Circuits
from .circuit_table import EVENTS, STATES, TABLE

__all__ = ["Breaker", "ConsecutiveBreaker", "FailureRateBreaker"]

Scope = Literal["endpoint", "service"]


@part
class Breaker:
    """The base of the breakers that can be declared: `ConsecutiveBreaker`, `FailureRateBreaker`.

    Parameters
    ----------
    per : str
        ``"endpoint"``: a proxy has a breaker for each endpoint, and a request goes to one whose
        breaker lets it in.  ``"service"``: it has one for all of them.
    """

    per: Scope = "endpoint"

    @property
    def draws(self) -> int:
        """How many uniform draws an answer takes: 1 if pauses have jitter, otherwise 0."""
        return 0

    def state(self, proxies: int, endpoints: int, make: Make) -> Circuits:
        """Return the breakers of so many proxies and endpoints, all closed.

        Parameters
        ----------
        proxies, endpoints : int
            Endpoints that there will ever be, numbered from 0.
        make : Make
            Makes the arrays.
        """
        raise NotImplementedError

    def _circuits(
        self,
        proxies: int,
        endpoints: int,
        make: Make,
        *,
        kind: int,
        automatic: bool,
        limit: int,
        window: int,
        minimum: int,
        percent: float,
        probes: int,
        pauses: tuple[float, float, float],
    ) -> Circuits:
        each = endpoints if self.per == "endpoint" else 1
        n = proxies * each
        room = max(window, probes)
        zeros = [0] * n
        table = [
            TABLE[state, event] for state in range(len(STATES)) for event in range(len(EVENTS))
        ]
        return Circuits(
            endpoints=each,
            kind=kind,
            automatic=int(automatic),
            limit=limit,
            window=window,
            minimum=minimum,
            percent=percent,
            probes_each=probes,
            shortest=pauses[0],
            longest=pauses[1],
            jitter=pauses[2],
            actions=make.ints([action for action, _ in table]),
            leads_to=make.ints([then for _, then in table]),
            room=room,
            state=make.ints(zeros),
            probes=make.ints(zeros),
            trips=make.ints(zeros),
            period=make.ints([1] * n),
            until=make.floats([-math.inf] * n),
            failed=make.ints(zeros),
            filled=make.ints(zeros),
            cursor=make.ints(zeros),
            recent=make.ints([0] * (n * room)),
        )


@part
class ConsecutiveBreaker(Breaker):
    """Opens after so many failures in a row, and lets one request try after a growing pause.

    Linkerd's failure accrual, with its defaults (``consecutive_failures.rs``,
    ``exp-backoff/src/lib.rs``).  A failure is a 5xx or no answer.  The first pause is
    `min_penalty`, then 2, 4, ... times that, at most `max_penalty`; each is lengthened by a uniform
    part, up to `jitter` of it, but not beyond `max_penalty`.  When the pause is over, one probe is
    let in: if it fails the next pause begins, and if it does not the breaker is closed.

    Parameters
    ----------
    max_failures : int
        Failures in a row.
    min_penalty, max_penalty : float
        Seconds.
    jitter : float
        From 0 to 100, as Linkerd allows.
    per : str
        ``"endpoint"``, as in Linkerd, or ``"service"``.

    Examples
    --------
    >>> from mesh_lab.balancing.rule import Lists
    >>> from mesh_lab.resilience.circuit import admits, opened_until, responded
    >>> from mesh_lab.resilience.seen import SEEN_ERROR, SEEN_OK
    >>> s = ConsecutiveBreaker(max_failures=2, jitter=0.0).state(1, 3, Lists())
    >>> [responded(s, 0, now, SEEN_ERROR, 0.0) for now in (1.0, 2.0)]
    [0, 1]
    >>> opened_until(s, 0), admits(s, 0, 2.5)
    (3.0, 0)
    >>> admits(s, 0, 3.0), admits(s, 0, 3.0)  # one probe, in the first half-open state
    (2, 0)
    >>> responded(s, 0, 3.1, SEEN_OK, 0.0), admits(s, 0, 3.1)
    (2, 1)
    """

    max_failures: Count = 7
    min_penalty: SomeSeconds = 1.0
    max_penalty: SomeSeconds = 60.0
    jitter: Annotated[float, Ge(0), Le(100)] = 0.5
    per: Scope = "endpoint"

    def __post_init__(self) -> None:
        if self.max_penalty < self.min_penalty:
            raise PartError(
                "",
                "max_penalty",
                f"is {self.max_penalty!r}, but must be at least min_penalty, {self.min_penalty!r}",
            )

    @property
    def draws(self) -> int:
        """How many uniform draws an answer takes: 1 if there is jitter, otherwise 0."""
        return 1 if self.jitter > 0.0 else 0

    def state(self, proxies: int, endpoints: int, make: Make) -> Circuits:
        """Return the breakers of so many proxies and endpoints, all closed."""
        return self._circuits(
            proxies,
            endpoints,
            make,
            kind=CONSECUTIVE,
            automatic=True,
            limit=self.max_failures,
            window=1,
            minimum=1,
            percent=100.0,
            probes=1,
            pauses=(self.min_penalty, self.max_penalty, self.jitter),
        )


@part
class FailureRateBreaker(Breaker):
    """Opens when too large a share of the last answers were failures.

    resilience4j's breaker with a count-based window, and its defaults
    (``CircuitBreakerStateMachine.java``, ``CircuitBreakerMetrics.java``).  Of the last
    `sliding_window_size` answers, once there are `minimum_number_of_calls` (or as many as the
    window holds, if that is less), a share of at least `failure_rate_threshold` opens it.  After
    `wait_in_open` the next request finds it half-open, where so many are let in as probes; when
    enough of them are answered, the same threshold decides whether it closes or opens again.

    resilience4j waits until its clock is past the pause, here the very end of it is enough.  Not
    modelled: time-based windows, slow calls, growing pauses, a longest time in the half-open state
    (none by default), and exceptions that do not count.

    Parameters
    ----------
    failure_rate_threshold : float
        Per cent, above 0.
    sliding_window_size, minimum_number_of_calls : int
        Answers.
    wait_in_open : float
        Seconds.
    permitted_in_half_open : int
        Probes.
    automatic : bool
        Whether it is half-open as soon as the pause is over, so that answers to old requests
        count, or only when a request asks.
    per : str
        ``"service"``, which stands for the one breaker that a caller puts around its calls, or
        ``"endpoint"``.

    Examples
    --------
    >>> FailureRateBreaker(sliding_window_size=10, minimum_number_of_calls=5)
    FailureRateBreaker(sliding_window_size=10, minimum_number_of_calls=5)
    """

    failure_rate_threshold: Annotated[float, Gt(0), Le(100)] = 50.0
    sliding_window_size: Count = 100
    minimum_number_of_calls: Count = 100
    wait_in_open: SomeSeconds = 60.0
    permitted_in_half_open: Count = 10
    automatic: bool = False
    per: Scope = "service"

    def state(self, proxies: int, endpoints: int, make: Make) -> Circuits:
        """Return the breakers of so many proxies and endpoints, all closed."""
        return self._circuits(
            proxies,
            endpoints,
            make,
            kind=RATE,
            automatic=self.automatic,
            limit=1,
            window=self.sliding_window_size,
            minimum=self.minimum_number_of_calls,
            percent=self.failure_rate_threshold,
            probes=self.permitted_in_half_open,
            pauses=(self.wait_in_open, self.wait_in_open, 0.0),
        )
