"""Rules that limit and shed load: rate limits, queue control, concurrency limits, throttling."""

from .admission import AdmissionControl
from .aimd import AimdLimit
from .codel import CoDel
from .concurrency import ConcurrencyLimit
from .fixed_window import FixedWindowLimit
from .gradient import AdaptiveConcurrency
from .gradient2 import Gradient2Limit
from .leaky_bucket import LeakyBucket
from .rule import Shedder
from .sliding_log import SlidingLog
from .sliding_window import SlidingWindowLimit
from .throttling import ClientThrottling
from .token_bucket import TokenBucket
from .vegas import VegasLimit

__all__ = [
    "AdaptiveConcurrency",
    "AdmissionControl",
    "AimdLimit",
    "ClientThrottling",
    "CoDel",
    "ConcurrencyLimit",
    "FixedWindowLimit",
    "Gradient2Limit",
    "LeakyBucket",
    "Shedder",
    "SlidingLog",
    "SlidingWindowLimit",
    "TokenBucket",
    "VegasLimit",
]
