"""What a proxy saw of an attempt: all that a machine which guards a callee may know of it.

====  ================  ==========================================================================
code  name              what came back
====  ================  ==========================================================================
0     ``SEEN_OK``       an answer that is not a server error
1     ``SEEN_ERROR``    a 5xx that the endpoint answered itself, other than 502, 503 and 504
2     ``SEEN_GATEWAY``  a 502, 503 or 504
3     ``SEEN_LOCAL``    no answer: it could not connect, the connection was reset, or time was up
====  ================  ==========================================================================

Envoy turns what it did not get into a status itself (``router.cc``, ``outlier_detection_impl.cc``):
504 for a timeout, 503 for a connection that failed or was reset.  Both are gateway errors, so the
last two codes count alike there; the order of the codes says so.  A request that Envoy's own limits
refused (`Limits`) was never sent, and nothing is reported of it (older versions reported a 503).

A queued request has not been seen at all: it counts when it is answered, or given up.
"""

from __future__ import annotations

__all__ = ["SEEN_ERROR", "SEEN_GATEWAY", "SEEN_LOCAL", "SEEN_OK"]

SEEN_OK = 0
SEEN_ERROR = 1
SEEN_GATEWAY = 2
SEEN_LOCAL = 3
