"""A control plane that configures proxies: xDS, as istiod does it.

1. *Changes* of the registry are debounced (`debounce`).
2. *A push* puts every connected proxy into a queue, in random order (a Go map has no other).  One
   that is in the queue already keeps its place; one that is being served comes again when that is
   done (``pilot/pkg/xds/pushqueue.go``).
3. *Serving* takes `work` for each proxy, for at most `concurrency` of them at a time
   (``PILOT_PUSH_THROTTLE``), and begins at most `rate` times a second.  A proxy gets what the
   control plane knows when its turn comes (recalled, not checked), `way` after the work is done,
   and what was sent first arrives first.
4. *The proxy* takes it, and says so (ACK), or refuses it (NACK, with probability `refused`) and
   goes on with what it has until the next push.

While the control plane is down the data plane goes on with what it has; what was sent before still
arrives, all else is forgotten.  When it is back, each proxy connects again after `reconnect`, and
is sent everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from ...draws import Draws
from ...parts import Count, NonNegative, Positive, Probability, Seconds, SomeSeconds, part
from .base import Discovery, Truth, ViewChange, published
from .numbers import Delay

__all__ = ["ControlPlane"]


@part
class ControlPlane(Discovery):
    """Pushes of configuration.

    Parameters
    ----------
    after, longest : float
        Seconds without a change until a push, and after which it does not wait for that any more.
    concurrency : int
        How many proxies are served at a time.
    rate : float, optional
        How many a second at most.
    work : float or Distribution
        Seconds that it takes to make and send one proxy's configuration.
    way : float or Distribution
        Seconds until the proxy works by it.
    refused : float
        The probability that a proxy refuses a configuration.
    unready : bool
        Whether endpoints that are not ready are sent as unhealthy, or left out.
    down : tuple of (float, float)
        From when to when there is no control plane.
    reconnect : float or Distribution
        Seconds after its return until a proxy is connected again.

    Examples
    --------
    >>> from mesh_lab.draws import Draws
    >>> from mesh_lab.mesh.discovery.base import State
    >>> truth = [Truth(0.0, 0, State.READY), Truth(1.0, 1, State.READY), Truth(9.0, 0, State.DOWN)]
    >>> plane = ControlPlane(way=0.05, down=((8.0, 12.0),))
    >>> for change in plane.views(truth, 1, Draws(seed=1), "orders"):
    ...     print(round(change.time, 3), change.endpoints)
    0.0 ((0, True),)
    1.15 ((0, True), (1, True))
    12.05 ((1, True),)
    """

    after: Seconds = 0.1
    longest: SomeSeconds = 10.0
    concurrency: Count = 100
    rate: Positive | None = None
    work: Delay = 0.0
    way: Delay = 0.0
    refused: Probability = 0.0
    unready: bool = False
    down: tuple[tuple[NonNegative, Positive], ...] = ()
    reconnect: Delay = 0.0

    def __post_init__(self) -> None:
        if self.longest < self.after:
            raise ValueError(
                f"longest is {self.longest} s, but must be at least after, {self.after} s"
            )
        for begin, end in self.down:
            if end <= begin:
                raise ValueError(
                    f"down: ({begin}, {end}) ends before it begins; give (from, to) in seconds"
                )
        for (_, end), (begin, _) in pairwise(self.down):
            if begin <= end:
                raise ValueError(
                    f"down: one outage ends at {end} and the next begins at {begin}; give them "
                    "in order, and one where they meet"
                )

    def views(
        self, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> Iterator[ViewChange]:
        """Yield what each proxy believes; see `Discovery.views`."""
        from .pushing import Pushing

        return Pushing(self, published(truth), proxies, draws, name).run()
