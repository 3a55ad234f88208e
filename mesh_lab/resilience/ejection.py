"""Outlier detection: a proxy stops using an endpoint that fails more than it should, for a while.

Each proxy watches what comes back from each endpoint, and ejects one for consecutive errors as they
happen (`mesh_lab.resilience.ejecting`), and for its success rate or failure percentage at each
interval (`mesh_lab.resilience.sweeping`).  An ejected endpoint counts as unhealthy, so a proxy
in panic uses it all the same; what it answers then still counts.

The rules are Envoy's (``outlier_detection.proto``, ``outlier_detection_impl.cc``); gRPC's proposal
A50 differs in some, see `OutlierDetection.grpc`.  Proxies do not tell each other.  Not modelled:
errors of local origin counted apart (``split_external_local_origin_errors``), and ejected endpoints
that come back because an active health check succeeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Le

from ..balancing.rule import Ints, Make
from ..errors import PartError
from ..parts import Count, Seconds, SomeSeconds, part
from .ejecting import TALLIES
from .outliers import Outliers

__all__ = ["OutlierDetection", "Percent"]

Percent = Annotated[int, Ge(0), Le(100)]
Limit = Annotated[int, Ge(0)]
LONGEST = 300.0  # seconds, unless the base time is longer


@part
class OutlierDetection:
    """When a proxy ejects an endpoint, and for how long; the defaults are Envoy's.

    Parameters
    ----------
    consecutive_5xx, consecutive_gateway_failure : int
        So many 5xx, or gateway errors (502, 503, 504, or no answer at all), in a row; 0: never.
    enforcing_consecutive_5xx, enforcing_consecutive_gateway_failure : int
        How many per cent of such detections eject.
    interval : float
        Seconds between sweeps.
    base_ejection_time : float
        Seconds of the first ejection; the next are 2, 3, ... times as long, and shorter again by
        one base time for each interval without.
    max_ejection_time : float, optional
        Seconds at most; without it 300, or the base time if that is longer.
    max_ejection_time_jitter : float
        Up to this many seconds, in whole milliseconds, are added to each ejection at random.
    max_ejection_percent : int
        How many per cent of the endpoints may be ejected at a time.
    gate : str
        ``"after"``: the share counts the one to be ejected, so that below 10 endpoints 10 % let
        none go.  ``"before"``: it does not, so that one can always go unless 0 % are allowed, and
        one more than the share may go: Envoy until 2023 (changed by pull request 27624), and gRPC.
    always_eject_one_host : bool
        Whether the first one may go whatever the share says.  Envoy did that for a while in 2023
        (pull requests 27624, 27909), and has had this field since 2024 (34796).
    success_rate_minimum_hosts, success_rate_request_volume : int
        So many endpoints must have had so many requests in the interval.
    success_rate_stdev_factor : int
        How many thousandths of a standard deviation below the mean is too far.
    enforcing_success_rate : int
        How many per cent of such detections eject.
    failure_percentage_threshold : int
        Per cent of failed requests in an interval.
    failure_percentage_minimum_hosts, failure_percentage_request_volume : int
        As for the success rate.
    enforcing_failure_percentage : int
        How many per cent of such detections eject.
    rule : str
        ``"envoy"``, or ``"grpc"`` (proposal A50), which has no consecutive errors; what else
        differs is in `mesh_lab.resilience.sweeping`.

    Notes
    -----
    A response costs O(1), a sweep O(n).  An enforcing percentage of 0 or 100 takes no draw.

    Examples
    --------
    >>> OutlierDetection(consecutive_5xx=3, max_ejection_percent=50)
    OutlierDetection(consecutive_5xx=3, max_ejection_percent=50)

    Three errors of endpoint 1 in a row eject it, one of 4 being 25 %:

    >>> from mesh_lab.balancing.rule import Lists
    >>> from mesh_lab.resilience.ejecting import responded
    >>> from mesh_lab.resilience.seen import SEEN_ERROR
    >>> from mesh_lab.resilience.sweeping import swept
    >>> s = OutlierDetection(consecutive_5xx=3, max_ejection_percent=50).state(1, 4, Lists())
    >>> [responded(s, 0, 1, now, SEEN_ERROR, []) for now in (1.0, 2.0, 3.0)]
    [0, 0, 1]
    >>> s.ejected, s.until[1]
    ([0, 1, 0, 0], 33.0)
    >>> swept(s, 0, 40.0, []), s.changed[0], s.became[0]
    (1, 1, 0)
    """

    consecutive_5xx: Limit = 5
    consecutive_gateway_failure: Limit = 5
    enforcing_consecutive_5xx: Percent = 100
    enforcing_consecutive_gateway_failure: Percent = 0
    interval: SomeSeconds = 10.0
    base_ejection_time: SomeSeconds = 30.0
    max_ejection_time: SomeSeconds | None = None
    max_ejection_time_jitter: Seconds = 0.0
    max_ejection_percent: Percent = 10
    gate: Literal["after", "before"] = "after"
    always_eject_one_host: bool = False
    success_rate_minimum_hosts: Count = 5
    success_rate_request_volume: Count = 100
    success_rate_stdev_factor: Limit = 1900
    enforcing_success_rate: Percent = 100
    failure_percentage_threshold: Percent = 85
    failure_percentage_minimum_hosts: Count = 5
    failure_percentage_request_volume: Count = 50
    enforcing_failure_percentage: Percent = 0
    rule: Literal["envoy", "grpc"] = "envoy"

    def __post_init__(self) -> None:
        longest = self.max_ejection_time
        if longest is not None and longest < self.base_ejection_time:
            raise PartError(
                "",
                "max_ejection_time",
                f"is {longest!r}, but must be at least base_ejection_time, "
                f"{self.base_ejection_time!r}; raise it, or lower base_ejection_time",
            )
        if self.rule == "grpc" and (self.consecutive_5xx or self.consecutive_gateway_failure):
            raise PartError(
                "",
                "rule",
                "'grpc' knows no consecutive errors; give consecutive_5xx=0 and "
                "consecutive_gateway_failure=0, or begin with OutlierDetection.grpc()",
            )

    @classmethod
    def envoy(cls) -> OutlierDetection:
        """Return what Envoy does where nothing is configured but ``outlier_detection: {}``."""
        return cls()

    @classmethod
    def istio(cls) -> OutlierDetection:
        """Return what Istio's ``outlierDetection: {}`` gives: no success rates.

        5 consecutive 5xx, 10 s, 30 s, 10 %; istiod sets ``enforcing_success_rate`` to 0
        (``applyOutlierDetection``).  That panic is off by default is for `Eligible` to say.

        Examples
        --------
        >>> OutlierDetection.istio()
        OutlierDetection(enforcing_success_rate=0)
        """
        return cls(enforcing_success_rate=0)

    @classmethod
    def grpc(cls) -> OutlierDetection:
        """Return gRPC's ``outlier_detection`` policy with both algorithms (proposal A50).

        Each of A50's two algorithms runs only if it is configured; to leave one out, give its
        enforcing percentage as 0.
        """
        return cls(
            consecutive_5xx=0,
            consecutive_gateway_failure=0,
            gate="before",
            enforcing_failure_percentage=100,
            rule="grpc",
        )

    @property
    def longest(self) -> float:
        """Seconds that an ejection lasts at most, without jitter."""
        if self.max_ejection_time is None:
            return max(LONGEST, self.base_ejection_time)
        return self.max_ejection_time

    @property
    def draws(self) -> int:
        """How many uniform draws a response takes, and an endpoint in a sweep: 4, or none."""
        chances = (
            self.enforcing_consecutive_5xx,
            self.enforcing_consecutive_gateway_failure,
            self.enforcing_success_rate,
            self.enforcing_failure_percentage,
        )
        sure = all(percent in (0, 100) for percent in chances)
        return 0 if sure and self.max_ejection_time_jitter < 0.001 else 4

    def state(
        self, proxies: int, endpoints: int, make: Make, *, members: Sequence[bool] | None = None
    ) -> Outliers:
        """Return the state of so many proxies and endpoints.

        Parameters
        ----------
        proxies, endpoints : int
            Endpoints that there will ever be, numbered from 0.
        make : Make
            Makes the arrays.
        members : sequence of bool, optional
            Whether each endpoint is there now, for all proxies alike; without it, all are.  Others
            join later (`ejecting.joined`).
        """
        there = [1] * endpoints if members is None else [int(m) for m in members]

        def zeros(n: int) -> Ints:
            return make.ints([0] * n)

        size = proxies * endpoints
        return Outliers(
            stride=endpoints,
            grpc=int(self.rule == "grpc"),
            error_limit=self.consecutive_5xx,
            gateway_limit=self.consecutive_gateway_failure,
            enforcing_errors=self.enforcing_consecutive_5xx,
            enforcing_gateway=self.enforcing_consecutive_gateway_failure,
            base=self.base_ejection_time,
            longest=self.longest,
            jitter=int(self.max_ejection_time_jitter * 1000.0 + 1e-6),
            max_percent=self.max_ejection_percent,
            one_host=int(self.always_eject_one_host),
            gate_before=int(self.gate == "before"),
            rate_hosts=self.success_rate_minimum_hosts,
            rate_volume=self.success_rate_request_volume,
            rate_factor=self.success_rate_stdev_factor / 1000.0,
            enforcing_rate=self.enforcing_success_rate,
            failure_threshold=float(self.failure_percentage_threshold),
            failure_hosts=self.failure_percentage_minimum_hosts,
            failure_volume=self.failure_percentage_request_volume,
            enforcing_failure=self.enforcing_failure_percentage,
            member=make.ints(there * proxies),
            ejected=zeros(size),
            until=make.floats([0.0] * size),
            multiplier=zeros(size),
            errors=zeros(size),
            gateways=zeros(size),
            total=zeros(size),
            good=zeros(size),
            why=zeros(size),
            back_at=make.ints([-1] * size),
            in_use=zeros(size),
            members=make.ints([sum(there)] * proxies),
            active=zeros(proxies),
            sweeps=zeros(proxies),
            changed=zeros(2 * endpoints),
            became=zeros(2 * endpoints),
            tally=zeros(proxies * TALLIES),
        )
