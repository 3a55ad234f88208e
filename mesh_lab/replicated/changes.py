"""What may happen to the nodes of a cluster, besides what happens to the endpoints of a service.

`Fail`, `Recover`, `Leave` and `Failures` are those of `mesh_lab.stations.endpoints`.
"""

from __future__ import annotations

from ..distributions import Distribution
from ..parts import Name, NonNegative, Positive, part

__all__ = ["Isolations", "NetworkPartition"]


@part
class NetworkPartition:
    """Some nodes cannot reach the others from `at` to `until` seconds, nor the others them.

    Parameters
    ----------
    at, until : float
        When it begins and when it is healed.
    nodes : tuple of str
        The nodes on one side; all others are on the other.

    Examples
    --------
    >>> NetworkPartition(at=10.0, until=40.0, nodes=("db-0", "db-1"))
    NetworkPartition(at=10.0, until=40.0, nodes=('db-0', 'db-1'))
    """

    at: NonNegative
    until: Positive
    nodes: tuple[Name, ...]

    def __post_init__(self) -> None:
        if self.until <= self.at:
            raise ValueError(f"until is {self.until}, but must be later than at, {self.at}")
        if not self.nodes:
            raise ValueError("nodes is empty, but must name those on one side")


@part
class Isolations:
    """Nodes are cut off from all others at random, each by itself, and go on working.

    Parameters
    ----------
    connected, isolated : Distribution
        Seconds until a node that is connected is cut off, and until it is connected again; both
        together 1e-9 at least in the mean.
    nodes : tuple of str
        Which nodes; all, if none is named.

    Examples
    --------
    >>> from mesh_lab import Exponential
    >>> Isolations(connected=Exponential(mean=600.0), isolated=Exponential(mean=5.0))
    Isolations(connected=Exponential(mean=600.0), isolated=Exponential(mean=5.0))
    """

    connected: Distribution
    isolated: Distribution
    nodes: tuple[Name, ...] = ()

    def __post_init__(self) -> None:
        if self.connected.mean + self.isolated.mean < 1e-9:
            raise ValueError(
                f"connected is {self.connected!r} and isolated is {self.isolated!r}: a node would "
                "be cut off and connected without end at one moment; their means must be 1e-9 s at "
                "least together"
            )
