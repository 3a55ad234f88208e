"""Closed forms of queueing theory: what a simulation should agree with.

One function a model; all arguments by keyword, seconds and rates per second; each returns a small
frozen result whose fields have the same names everywhere (`_results` has the table), and refuses
what has no steady state by name.  Each module explains its theory first.

=========================  =======================================================  ================
function                   model                                                    module
=========================  =======================================================  ================
`mm1`, `mmc`               Poisson arrivals, exponential service, one queue         `mm`
`erlang_b`, `erlang_c`     probability of loss, probability of waiting              `erlang`
`mmck`                     bounded queue (`waiting_room` counts who may *wait*)     `mmck`
`mminf`                    a server for everyone, and how it fills up               `mminf`
`md1`                      constant service, with percentiles                       `md1`
`mg1`, `mg1_ps`            any service: first come first served, processor sharing  `mg1`
`mg1_priority`             priority classes, non-preemptive and preemptive-resume   `priority`
`gim1`                     any gaps between arrivals                                `gim1`
`batch_mm1`, `batch_mg1`   arrivals in batches                                      `batches`
`kingman_bound`            any gaps, any service: an upper bound                    `kingman`
`kingman_approximation`    any gaps, any service, several servers: approximately    `kingman`
`erlang_a`                 requests that give up                                    `erlang_a`
`mmc_timeout`              requests that wait no longer than a time limit           `mmc_timeout`
`random_split`             a server each, chosen at random                          `splitting`
`round_robin`              a server each, in turn                                   `splitting`
`power_of_d`               the shortest of d random queues, many servers            `power_of_d`
`join_shortest_queue`      the shortest queue, few servers                          `shortest_queue`
`join_idle_queue`          servers that say when they are idle, many servers        `idle_queue`
`jackson`                  open networks with feedback                              `jackson`
`tandem`                   stations in a row, with percentiles                      `tandem`
`mva`                      closed networks: users who think                         `mva`
`any_slow`, `fan_out`      the slowest of many independent responses                `fan_out`
`fork_join`                every request at all of several M/M/1                    `fork_join`
`hedged`                   late requests sent again, the first answer counts        `hedging`
`retry_attempts`           attempts of one call                                     `retries`
`retry_chain`              what retries do along a chain of callers                 `retries`
`retry_collapse`           when retries keep an overload alive                      `retry_collapse`
`littles_law`              number = rate * time                                     `little`
=========================  =======================================================  ================

Examples
--------
>>> from mesh_lab import theory
>>> theory.mmc(arrival_rate=2.4, service_rate=1.0, servers=3)
MMc(utilisation=0.8, wait=1.0787, response=2.0787, in_queue=2.5888, in_system=4.9888, \
throughput=2.4, wait_probability=0.64719)
>>> theory.mm1(arrival_rate=0.8, service_rate=1.0).response_tail([0.0, 5.0, 10.0]).round(4).tolist()
[1.0, 0.3679, 0.1353]
"""

from .batches import Batches, batch_mg1, batch_mm1
from .erlang import erlang_b, erlang_c
from .erlang_a import ErlangA, Served, erlang_a
from .fan_out import FanOut, any_slow, fan_out
from .fork_join import ForkJoin, fork_join
from .gim1 import GIM1, gim1
from .hedging import Hedged, hedged
from .idle_queue import IdleQueues, join_idle_queue
from .jackson import JacksonNetwork, jackson
from .kingman import Approximation, UpperBound, kingman_approximation, kingman_bound
from .little import littles_law
from .md1 import MD1, md1
from .mg1 import MG1, ProcessorSharing, mg1, mg1_ps
from .mm import MM1, MMc, mm1, mmc
from .mmc_timeout import InTime, MMcTimeout, mmc_timeout
from .mmck import MMcK, mmck
from .mminf import MMInf, mminf
from .mva import ClosedNetwork, ClosedStation, mva
from .power_of_d import Supermarket, power_of_d
from .priority import Priority, PriorityClass, mg1_priority
from .retries import RetryChain, retry_attempts, retry_chain
from .retry_collapse import RetryCollapse, retry_collapse
from .shortest_queue import ShortestQueue, join_shortest_queue
from .splitting import Split, random_split, round_robin
from .tandem import Tandem, tandem

__all__ = [
    "GIM1",
    "MD1",
    "MG1",
    "MM1",
    "Approximation",
    "Batches",
    "ClosedNetwork",
    "ClosedStation",
    "ErlangA",
    "FanOut",
    "ForkJoin",
    "Hedged",
    "IdleQueues",
    "InTime",
    "JacksonNetwork",
    "MMInf",
    "MMc",
    "MMcK",
    "MMcTimeout",
    "Priority",
    "PriorityClass",
    "ProcessorSharing",
    "RetryChain",
    "RetryCollapse",
    "Served",
    "ShortestQueue",
    "Split",
    "Supermarket",
    "Tandem",
    "UpperBound",
    "any_slow",
    "batch_mg1",
    "batch_mm1",
    "erlang_a",
    "erlang_b",
    "erlang_c",
    "fan_out",
    "fork_join",
    "gim1",
    "hedged",
    "jackson",
    "join_idle_queue",
    "join_shortest_queue",
    "kingman_approximation",
    "kingman_bound",
    "littles_law",
    "md1",
    "mg1",
    "mg1_priority",
    "mg1_ps",
    "mm1",
    "mmc",
    "mmc_timeout",
    "mmck",
    "mminf",
    "mva",
    "power_of_d",
    "random_split",
    "retry_attempts",
    "retry_chain",
    "retry_collapse",
    "round_robin",
    "tandem",
]
