"""Balancing rules with affinity: the key of a request says where it goes."""

from .jump import JumpHash
from .ketama import KetamaHash
from .maglev import Maglev
from .mapped import MapHash
from .rendezvous import Rendezvous
from .ring import RingHash

__all__ = ["JumpHash", "KetamaHash", "Maglev", "MapHash", "Rendezvous", "RingHash"]
