"""What is so, and what callers believe: the two streams that service discovery stands between.

Who is there does not depend on the requests.  So discovery is a function from what happens to
endpoints to what each caller's proxy believes, and runs by itself, before or beside an engine:

*truth*  a stream of `Truth`: from this time on, this endpoint is in this state.  An endpoint that
         was never mentioned is ABSENT.  What is said of time 0 is how things are at the beginning.
*views*  a stream of `ViewChange`: from this time on, this proxy believes in these endpoints.  A
         proxy believes in nobody until it is told otherwise.

Both are in order of time; views of one time are in order of the proxies' numbers.  Both may have no
end, and are made as they are read.

===========  ==========================================================  ========================
state        what it means                                               what a caller meets there
===========  ==========================================================  ========================
ABSENT       nobody has this address                                     ``silent``
STARTING     the process is there and cannot answer yet                  ``refused``
READY        it can answer, and should be asked                          ``answered``
UNREADY      it answers, and says that it should not be asked            ``answered``
TERMINATING  it was told to go, and finishes what it has                 ``answered``
DOWN         the process has ended, or closed its port                   ``refused``
===========  ==========================================================  ========================

A registry may know less than is so (a crash is noticed later).  A truth that is more than a list
may have a second stream, `published`: what the registry says.  Ways of discovery that ask the
registry (DNS, watches, control planes) follow that one; those that ask endpoints (health checks,
gossip) meet the truth.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import ClassVar, NamedTuple, TypeAlias

from ...draws import Draws

__all__ = ["Discovery", "State", "Truth", "View", "ViewChange", "meets", "published"]

View: TypeAlias = tuple[tuple[int, bool], ...]


class State(IntEnum):
    """What an endpoint is; the table is in `mesh_lab.mesh.discovery.base`."""

    ABSENT = 0
    STARTING = 1
    READY = 2
    UNREADY = 3
    TERMINATING = 4
    DOWN = 5


class Truth(NamedTuple):
    """From `time` (seconds) on, endpoint number `endpoint` is in `state`."""

    time: float
    endpoint: int
    state: State


class ViewChange(NamedTuple):
    """From `time` on, proxy `proxy` believes in `endpoints`.

    Each is a pair of an endpoint's number and whether it is taken for healthy, in order of the
    numbers.  A change may repeat what the proxy believed before, as a sign of life: nothing else
    has happened until then.
    """

    time: float
    proxy: int
    endpoints: View


class Discovery(ABC):
    """The base of all ways to learn which endpoints there are."""

    such_as: ClassVar[str] = "Dns.coredns()"  # what an error gives as an example

    @abstractmethod
    def views(
        self, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> Iterator[ViewChange]:
        """Yield what each proxy believes, change by change.

        Parameters
        ----------
        truth : iterable of Truth
            What happens to the endpoints, in order of time.
        proxies : int
            How many proxies look at them.
        draws : Draws
            The random numbers of the run.
        name : str
            The service's name; the address of the draws.

        Yields
        ------
        ViewChange
            In order of time, then of the proxies.  The stream ends when nothing can change any
            more.  The same arguments give the same stream, however slowly it is read.

        Raises
        ------
        ScenarioError
            When an argument is impossible, at once; when something in `truth` is, on reaching it.
        """


def published(truth: Iterable[Truth]) -> Iterable[Truth]:
    """Return what the registry says of a truth: its `published`, or else the truth itself."""
    stream: Iterable[Truth] = getattr(truth, "published", truth)
    return stream


def meets(state: int) -> str:
    """Return what a caller meets who sends a request to an endpoint in this state.

    ``"answered"``; ``"refused"``: nobody listens at the port, which is known after one round trip;
    ``"silent"``: there is no such host, and the caller waits until its connect timeout.

    Examples
    --------
    >>> meets(State.TERMINATING), meets(State.DOWN), meets(State.ABSENT)
    ('answered', 'refused', 'silent')
    """
    if state in (State.READY, State.UNREADY, State.TERMINATING):
        return "answered"
    return "silent" if state == State.ABSENT else "refused"
