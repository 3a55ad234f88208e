"""Who of several endpoints serves the next request: the rules, and what a balancer sees."""

from .least import LeastRequest
from .static import Random, RoundRobin
from .view import Balancer, View

__all__ = ["Balancer", "LeastRequest", "Random", "RoundRobin", "View"]
