"""The life of a pod between its start and its end, as Kubernetes runs it.

*Start.*  A new process answers nobody until it has started up; one that restarts after a crash
starts up again.

*End.*  When a pod is deleted, two things begin at one time, and nobody waits for the other: its
endpoint is set to terminating, of which callers hear by and by, and the kubelet runs the preStop
hook and then sends SIGTERM (Kubernetes documentation, "Pod Lifecycle", "Termination of Pods").  Who
still has the old list when the process closes its port meets a refused connection; a preStop hook
that only sleeps is there to let the lists win that race.

=============================  ================================================================
time after the deletion        what happens
=============================  ================================================================
0                              terminating; the preStop hook begins
p = min(preStop, grace)        SIGTERM
p + max(grace - p, 2 s)        SIGKILL, if the process is still there
=============================  ================================================================

The 2 s are the kubelet's (``minimumGracePeriodInSeconds`` in ``kuberuntime_container.go``): a hook
that has used up the grace period leaves at least these.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from ...parts import Seconds, SomeSeconds, part
from .numbers import Delay

__all__ = ["Ending", "PodLife"]

_LEAST = 2.0  # seconds between SIGTERM and SIGKILL


class Ending(NamedTuple):
    """When a pod that is deleted gets SIGTERM, and when its process is gone."""

    term: float
    gone: float


@part
class PodLife:
    """How pods start and end.

    Parameters
    ----------
    startup : float or Distribution
        Seconds from the start of the process until it can answer.
    pre_stop : float
        Seconds that the preStop hook takes; 0 without one.
    shutdown : float or Distribution
        Seconds from SIGTERM until the process ends by itself.
    grace : float
        ``terminationGracePeriodSeconds``, 30 s unless set.
    on_term : str
        ``"serves"``: the process answers until it ends; ``"refuses"``: it closes its port at
        SIGTERM, finishes what it has, and refuses whoever comes.

    Examples
    --------
    >>> PodLife(pre_stop=5.0).ending(deleted=100.0, shutdown=10.0)
    Ending(term=105.0, gone=115.0)
    >>> PodLife(pre_stop=5.0).ending(deleted=100.0, shutdown=60.0)
    Ending(term=105.0, gone=130.0)
    >>> PodLife(pre_stop=40.0).ending(deleted=100.0, shutdown=60.0)
    Ending(term=130.0, gone=132.0)
    """

    startup: Delay = 0.0
    pre_stop: Seconds = 0.0
    shutdown: Delay = 0.0
    grace: SomeSeconds = 30.0
    on_term: Literal["serves", "refuses"] = "serves"

    def ending(self, deleted: float, shutdown: float) -> Ending:
        """Return when a pod is told to end, and when it is gone.

        Parameters
        ----------
        deleted : float
            When it was deleted.
        shutdown : float
            Seconds from SIGTERM until it would end by itself.
        """
        hook = min(self.pre_stop, self.grace)
        term = deleted + hook
        return Ending(term, term + min(shutdown, max(self.grace - hook, _LEAST)))
