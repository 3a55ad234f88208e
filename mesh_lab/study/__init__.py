"""Many runs: the same scenario again, with other values, or against another one.

One run is one sample.  `replicate` repeats it with other seeds and gives intervals, `sweep` does so
for every combination of values of any fields, `compare` puts two scenarios to the same customers.

Runs go through `joblib.Parallel`.  Where they run is the user's choice, in joblib's own way, and
the results are the same whatever it is::

    with joblib.parallel_config(backend="loky", n_jobs=4):
        ml.replicate(scenario, 20, requests=50_000, seed=7)

Only summaries travel back, not rows.
"""

from .comparing import Comparison, compare
from .measures import MEASURES
from .replicating import Replications, replicate
from .sweeping import intervals, sweep

__all__ = [
    "MEASURES",
    "Comparison",
    "Replications",
    "compare",
    "intervals",
    "replicate",
    "sweep",
]
