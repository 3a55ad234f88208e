"""mesh_lab: learn, try and predict how event-driven systems and service meshes behave."""

from .balancing import LeastRequest, Random, RoundRobin
from .data import data_path
from .distributions import *  # noqa: F403
from .errors import *  # noqa: F403
from .explain import explain
from .live import build
from .run import Run, load_run
from .scenario import Scenario
from .simulate import simulate
from .sources.closed import Users
from .sources.merge import Merge
from .sources.open import Poisson, PoissonBatches, Renewal
from .sources.varying import Bursts, Profile, TimeVarying, daily
from .stations.handler import Handler
from .stations.queue import Queue
from .stations.service import Service
