"""Who of several endpoints serves the next request: the rules, and what a balancer sees."""

from .least import LeastRequest
from .rule import Balancer, View
from .slow_start import SlowStart
from .static import Random, RoundRobin

__all__ = ["Balancer", "LeastRequest", "Random", "RoundRobin", "SlowStart", "View"]
