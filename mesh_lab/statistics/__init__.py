"""What a run can tell, and how surely: every estimate comes with an interval.

Requests of one run are not independent: one that waits long is followed by others that wait
long.  The formulas for independent values therefore give intervals that are far too short on a
single run.  Each function says which of the two cases it is for:

- one run: `mser5` cuts the warm-up, `batch_means` and `batch_quantile_interval` give intervals
  and say when the run is too short to tell (``trusted`` is False, ``note`` says why);
- independent runs or values: `replication_interval`, `quantile_interval`;
- two scenarios: `paired_difference` and `paired_ratio` on common random numbers,
  `independent_difference` otherwise.

`LogHistogram` and `RunningMean` hold any number of values in little memory, `ccdf` gives the
points of a tail plot, `time_average` and `littles_law` treat what changes in steps over time.
Nothing here knows of the simulator: every argument is an array of numbers.
"""

from .batches import batch_means, von_neumann_ratio
from .histogram import LogHistogram
from .interval import Interval
from .quantiles import batch_quantile_interval, quantile_interval
from .replications import (
    independent_difference,
    paired_difference,
    paired_ratio,
    replication_interval,
)
from .running import RunningMean
from .steps import LittlesLaw, littles_law, time_average
from .tail import ccdf
from .warmup import Warmup, mser5

__all__ = [
    "Interval",
    "LittlesLaw",
    "LogHistogram",
    "RunningMean",
    "Warmup",
    "batch_means",
    "batch_quantile_interval",
    "ccdf",
    "independent_difference",
    "littles_law",
    "mser5",
    "paired_difference",
    "paired_ratio",
    "quantile_interval",
    "replication_interval",
    "time_average",
    "von_neumann_ratio",
]
