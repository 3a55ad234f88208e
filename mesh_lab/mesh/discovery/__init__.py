"""Service discovery: how callers learn which endpoints there are.

What a caller believes is a function of what happens to the endpoints, not of its requests.  `base`
says what the two streams are, `Truth` and `ViewChange`, that every way of discovery stands between;
`registry` makes the truth of a service, with the life of pods (`pods`) and what a registry knows of
it (`readiness`); `staleness` measures how far beliefs are behind.

==================  ===========================================================================
`AtOnce`            everybody knows everything at once
`HealthChecks`      proxies ask endpoints whether they are well (Envoy, HAProxy)
`Dns`               names that are looked up, and answers that are kept
`BlockingQueries`   a question that waits for news (Consul)
`EndpointSlices`    a list in pieces that is watched (Kubernetes)
`ControlPlane`      debounced pushes of configuration (istiod, xDS)
`Gossip`            members that probe each other and spread the news (SWIM, memberlist)
==================  ===========================================================================

The ``views`` of each are made as they are read, and are the same under one seed however that is
done; `loop` is what they run on.
"""

from __future__ import annotations

from .at_once import AtOnce
from .base import Discovery, State, Truth, View, ViewChange, meets, published
from .control import ControlPlane
from .dns import Dns, negative_ttl
from .health import HealthChecks
from .pods import Ending, PodLife
from .readiness import Readiness
from .registry import Facts, Registry
from .slices import EndpointSlices
from .staleness import Staleness, staleness
from .suspicion import push_pull_interval, retransmit_limit, suspicion_timeout
from .swim import Gossip
from .watch import BlockingQueries

__all__ = [
    "AtOnce",
    "BlockingQueries",
    "ControlPlane",
    "Discovery",
    "Dns",
    "Ending",
    "EndpointSlices",
    "Facts",
    "Gossip",
    "HealthChecks",
    "PodLife",
    "Readiness",
    "Registry",
    "Staleness",
    "State",
    "Truth",
    "View",
    "ViewChange",
    "meets",
    "negative_ttl",
    "published",
    "push_pull_interval",
    "retransmit_limit",
    "staleness",
    "suspicion_timeout",
]
