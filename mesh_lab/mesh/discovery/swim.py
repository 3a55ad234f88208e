"""Gossip: members probe each other, and pass on what they find (SWIM, as memberlist does it).

The members are the endpoints, while they can answer, and one for each proxy, which is always there;
a proxy's view is what its member believes of the endpoints.  Gossip knows whether a process is
there, not whether it wants to be asked.

*Probe.*  Each member goes through a shuffled list, one a probe interval.  Without an answer within
the timeout it asks `indirect` others to try, and tries TCP itself; without any answer until the
interval is over, it suspects the other.  A member that feels unwell (Lifeguard: probes that failed
though peers answered nothing either, suspicions of itself) takes longer.
*Suspect, confirm, refute* is in `member`, how long that takes in `suspicion`.
*Gossip.*  News goes to `gossip_nodes` random members an interval, and with every probe and answer.
*Exchange.*  Now and then two members tell each other all that they believe.
*Join and leave.*  Who starts, or starts again, exchanges everything with one who is there.  An
endpoint that terminates says so; one that is ABSENT or DOWN says nothing.

The defaults are ``DefaultLANConfig`` (``config.go``).  The network loses each message with the
probability `loss`, TCP none.  All news fits into one packet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from annotated_types import Ge, Lt

from ...draws import Draws
from ...parts import Count, Seconds, SomeSeconds, part
from .base import Discovery, Truth, ViewChange
from .numbers import Delay

__all__ = ["Gossip"]


@part
class Gossip(Discovery):
    """Membership by gossip.

    Parameters
    ----------
    probe_interval, probe_timeout : float
        Seconds between probes, and until others are asked to help.
    indirect : int
        How many others.
    gossip_interval : float
        Seconds between packets of news.
    gossip_nodes : int
        To how many members each goes.
    suspicion_mult, suspicion_max_mult, retransmit_mult : int
        See `mesh_lab.mesh.discovery.suspicion`.
    push_pull : float, optional
        Seconds between exchanges of everything; None for none.
    gossip_to_dead : float
        Seconds for which a dead member is still told, and remembered.
    awareness_max : int
        How unwell a member can feel: its probes take at most so many intervals.
    tcp_fallback : bool
        Whether a probe that failed is tried over TCP (memberlist does).
    delay : float or Distribution
        Seconds that a message takes.
    loss : float
        The probability that a message is lost, below 1.
    suspects : bool
        Whether suspects are listed as healthy, as memberlist's ``Members`` does, or as unhealthy.

    Examples
    --------
    >>> from mesh_lab.draws import Draws
    >>> from mesh_lab.mesh.discovery.base import State
    >>> truth = [Truth(0.0, e, State.READY) for e in range(9)] + [Truth(10.0, 4, State.DOWN)]
    >>> changes = list(Gossip().views(truth, 1, Draws(seed=1), "orders"))
    >>> [len(change.endpoints) for change in changes]
    [9, 8]
    >>> 10.0 + 1.0 + 4.0 <= changes[1].time <= 10.0 + 9.0 + 24.0
    True
    """

    probe_interval: SomeSeconds = 1.0
    probe_timeout: SomeSeconds = 0.5
    indirect: Annotated[int, Ge(0)] = 3
    gossip_interval: SomeSeconds = 0.2
    gossip_nodes: Count = 3
    suspicion_mult: Count = 4
    suspicion_max_mult: Count = 6
    retransmit_mult: Count = 4
    push_pull: SomeSeconds | None = 30.0
    gossip_to_dead: Seconds = 30.0
    awareness_max: Count = 8
    tcp_fallback: bool = True
    delay: Delay = 0.001
    loss: Annotated[float, Ge(0), Lt(1)] = 0.0
    suspects: bool = True

    def __post_init__(self) -> None:
        if self.probe_timeout > self.probe_interval:
            raise ValueError(
                f"probe_timeout is {self.probe_timeout} s, but probe_interval is "
                f"{self.probe_interval} s: a probe would be slower than its interval; make the "
                "timeout shorter, so that others can still help"
            )

    @classmethod
    def wan(cls, **fields: Any) -> Gossip:
        """Return memberlist's ``DefaultWANConfig``; other fields may be given too.

        Examples
        --------
        >>> Gossip.wan(delay=0.05).probe_interval
        5.0
        """
        wide = {
            "probe_interval": 5.0,
            "probe_timeout": 3.0,
            "gossip_interval": 0.5,
            "gossip_nodes": 4,
            "suspicion_mult": 6,
            "push_pull": 60.0,
            "gossip_to_dead": 60.0,
        }
        return cls(**{**wide, **fields})

    def views(
        self, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> Iterator[ViewChange]:
        """Yield what each proxy believes; see `Discovery.views`."""
        from .gossiping import Gossiping

        return Gossiping(self, truth, proxies, draws, name).run()
