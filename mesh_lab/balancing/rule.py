"""What a balancing rule is: a state of arrays, and functions that pick from it and keep it up.

A rule is written once and runs in two engines: on lists in the reference, on NumPy arrays when it
is compiled.  So it is made of two things.

* A *state*: a `typing.NamedTuple` of numbers, arrays of whole numbers and arrays of floats, made by
  the declared part (`Balancer.state`) for all the pools of a service at once, and made again
  whenever the endpoints change.
* *Kernels*: module-level functions, decorated with `kernel`, that use nothing but arithmetic,
  comparisons, indexing and `math.exp`, `log`, `pow`, `sqrt`, and each other.  An index is never
  negative: compiled code does not count from the end.  The state's class names them: ``pick``, and
  as many of the others as the rule needs.

=====================================  ============================================================
``pick(s, v, g, u, now, key)``         the endpoint for a request, out of pool `g`; `u` are its
                                       `Balancer.draws` uniform draws, `key` is its hash
``sent(s, v, p, e, now)``              balancer `p` has picked `e`; ``v.outstanding`` counts it
``answered(s, v, p, e, now, latency,   the response is back, ``v.outstanding`` no longer counts it;
ok, there, worked)``                   `latency` is since the pick, `ok` is 1 or 0, `there` is how
                                       many it left behind at the endpoint, `worked` its seconds of
                                       service (NaN: it was never started)
``arrived(s, v, e, now)``              a request was let in at `e`; ``v.there`` counts it
``left(s, v, e, now, stay, met)``      a request has left `e`; ``v.there`` no longer counts it; it
                                       stayed for `stay` seconds and had met `met` others there
``alarm(s, v, code, now)``             what `wake_at` asked for
=====================================  ============================================================

A *pool* is a list of endpoints out of which one balancer picks; a service has one for each balancer
(proxy), and more where priorities or zones divide it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import numpy as np

from ..parts import part

__all__ = [
    "KERNELS",
    "Arrays",
    "Balancer",
    "Floats",
    "Hashes",
    "Ints",
    "Lists",
    "Make",
    "Pool",
    "Rule",
    "View",
    "kernel",
    "kernels",
    "own_draw",
    "wake_at",
]

Ints = Any  # a list of int, or an array of int64
Floats = Any  # a list of float, or an array of float64
Hashes = Any  # a list of int from 0 to 2**64 - 1, or an array of uint64
Rule = Any  # a state whose class names its kernels

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S")

KERNELS: list[Callable[..., Any]] = []


def kernel(function: F) -> F:
    """Say that `function` belongs to a rule, and may be compiled; it stays a plain function."""
    KERNELS.append(function)
    return function


def kernels(*, blind: bool = False, **named: Callable[..., Any]) -> Callable[[type[S]], type[S]]:
    """Name the kernels of a rule on the class of its state: ``@kernels(pick=..., sent=...)``.

    A rule is `blind` if its picks depend on nothing that happens (no counts of the view, no
    answers), but only on time, draws, keys and earlier picks.  Then picks can be made in one go.
    """

    def name(state: type[S]) -> type[S]:
        for what, function in named.items():
            setattr(state, what, staticmethod(function))
        state.blind = blind  # type: ignore[attr-defined]
        return state

    return name


class View(NamedTuple):
    """What the rules of one service can look at; the engine keeps it up.

    Attributes
    ----------
    stride : int
        How many endpoints the service will ever have; they are numbered from 0.
    size : ints, one a pool
        How many endpoints are in pool *g*.
    hosts : ints
        ``hosts[g * stride + j]`` is the endpoint at place *j* of pool *g*.
    balancer : ints, one a pool
        The number of the balancer that picks from pool *g*.
    pool, place : ints
        ``pool[p * stride + e]`` is the pool of balancer *p* that holds endpoint *e*, -1 if none
        does; ``place`` is where it stands in there.
    outstanding : ints
        ``outstanding[p * stride + e]`` is how many requests balancer *p* has sent to *e* whose
        response is not back.  This is all that a real proxy knows.
    there : ints, one an endpoint
        How many requests are at the endpoint, waiting or in service: what a real proxy does not
        see.  A rule that looks at it says so.
    busy_until : floats, one an endpoint
        When the work that is at the endpoint would be done by all its workers together, if nothing
        else came; in the past when it is idle.  No real proxy knows it either.
    job : floats
        ``job[0]`` is the seconds of work of the request that is to be sent, which only an oracle
        can know.
    own, cursor : floats, ints
        Uniform draws of the service itself, see `own_draw`.
    alarm_times, alarm_codes, alarms : floats, ints, ints
        What `wake_at` has asked for and the engine has not yet taken.
    """

    stride: int
    size: Ints
    hosts: Ints
    balancer: Ints
    pool: Ints
    place: Ints
    outstanding: Ints
    there: Ints
    busy_until: Floats
    job: Floats
    own: Floats
    cursor: Ints
    alarm_times: Floats
    alarm_codes: Ints
    alarms: Ints


ALARMS = 64  # that one event may ask for
OWN_DRAWS = 64  # that one event may take; making a state may take 2 * stride more


@kernel
def own_draw(v: View) -> float:
    """Return the next uniform draw that belongs to the service and to no request."""
    at = v.cursor[0]
    v.cursor[0] = at + 1
    return v.own[at]  # type: ignore[no-any-return]


@kernel
def wake_at(v: View, time: float, code: int) -> None:
    """Ask the engine to call ``alarm(s, v, code, now)`` at `time`."""
    at = v.alarms[0]
    v.alarm_times[at] = time
    v.alarm_codes[at] = code
    v.alarms[0] = at + 1


@dataclass(frozen=True)
class Pool:
    """The endpoints out of which one balancer picks, as a declared rule is told of them.

    Attributes
    ----------
    balancer : int
        Whose pool it is.
    endpoints : tuple of int
        Their numbers in the service, in the order in which they joined.
    weights : tuple of float
        Above 0.
    names : tuple of str
        What hashing rules know them by.
    since : tuple of float
        When each joined or became healthy again; minus infinity for those of the beginning.
    """

    balancer: int
    endpoints: tuple[int, ...]
    weights: tuple[float, ...]
    names: tuple[str, ...]
    since: tuple[float, ...]


class Make(Protocol):
    """Makes the arrays of a state: lists for the reference, NumPy arrays for compiled code."""

    def ints(self, values: Iterable[int]) -> Ints:
        """Return an array of whole numbers."""
        ...

    def floats(self, values: Iterable[float]) -> Floats:
        """Return an array of floats."""
        ...

    def hashes(self, values: Any) -> Hashes:
        """Return an array of unsigned 64-bit numbers."""
        ...


class Lists:
    """Makes lists, which Python indexes two to three times as quickly as NumPy's arrays."""

    def ints(self, values: Iterable[int]) -> Ints:
        """Return a list of int."""
        return np.asarray(values).tolist() if isinstance(values, np.ndarray) else list(values)

    def floats(self, values: Iterable[float]) -> Floats:
        """Return a list of float."""
        return values.tolist() if isinstance(values, np.ndarray) else [float(x) for x in values]

    def hashes(self, values: Any) -> Hashes:
        """Return a list of int."""
        return values.tolist() if isinstance(values, np.ndarray) else [int(x) for x in values]


class Arrays:
    """Makes NumPy arrays of 64-bit numbers."""

    def ints(self, values: Iterable[int]) -> Ints:
        """Return an array of int64."""
        given = values if isinstance(values, np.ndarray) else list(values)
        return np.array(given, dtype=np.int64)

    def floats(self, values: Iterable[float]) -> Floats:
        """Return an array of float64."""
        given = values if isinstance(values, np.ndarray) else list(values)
        return np.array(given, dtype=np.float64)

    def hashes(self, values: Any) -> Hashes:
        """Return an array of uint64."""
        given = values if isinstance(values, np.ndarray) else list(values)
        return np.array(given, dtype=np.uint64)


@part
class Balancer:
    """The base of every balancing rule that can be declared.

    A subclass says how many uniform draws a pick takes, what its rule looks at and where it comes
    from, and makes the state; see `mesh_lab.balancing.rule`.
    """

    such_as: ClassVar[str] = "RoundRobin()"  # what an error gives as an example
    sees: ClassVar[str] = "nothing"  # for `policy_table`: what the rule looks at
    cost: ClassVar[str] = "O(1)"  # of a pick among n endpoints
    origin: ClassVar[str] = ""  # where the rule comes from
    weighs: ClassVar[bool] = False  # whether the weights of endpoints matter to it
    hashes: ClassVar[bool] = False  # whether it needs the key of a request
    # whether it looks at what is at the endpoints (there, busy_until, job, arrived, left), which
    # the engine then keeps up
    oracle: ClassVar[bool] = False

    @property
    def draws(self) -> int:
        """How many uniform draws of the request a pick takes."""
        return 0

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule's state for these pools.

        Parameters
        ----------
        pools : sequence of Pool
            Pool *g* of `view`, for each *g*.
        view : View
            Already up to date.
        make : Make
            Makes the arrays.
        old : NamedTuple, optional
            The state until now, when the endpoints have changed; what a real proxy remembers over
            such a change is carried over.  It may be of another class.
        now : float
            Seconds.
        """
        raise NotImplementedError

    def hash_key(self, key: str) -> int:
        """Return the unsigned 64-bit hash of a request's key, where the rule `hashes`."""
        raise NotImplementedError
