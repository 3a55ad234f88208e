"""The statistics of split tests and canaries: what a difference between two variants tells.

All arguments by keyword; of two entries the control is first and the candidate second, and a
difference is candidate minus control.  Each function returns a small frozen result, or a number.

===============================  =========================================  =====================
function                         question                                   module
===============================  =========================================  =====================
`compare_rates`                  do two success rates differ?               `comparison`
`compare_means`                  do two means differ?                       `comparison`
`rates_power`, `means_power`     would a difference be found?               `power`
`rates_sample_size`,             how many requests does it take?            `power`
`means_sample_size`
`peeking`                        what does looking again and again do?      `peeking`
`group_sequential`               how to look at fixed times?                `group_sequential`
`sequential_rates`,              how to look at any time?                   `always_valid`
`sequential_means`
`rate_sequence`,                 the same without approximation             `confidence_sequence`
`rate_difference_sequence`
`gate_failure`                   how likely does a canary fail its gate?    `gate`
===============================  =========================================  =====================

Nothing here knows of the simulator: every argument is a number, or numbers counted in a run.

Examples
--------
>>> from mesh_lab import experiments
>>> experiments.peeking(looks=10).false_alarm > 3 * 0.05
True
"""

from .always_valid import AlwaysValid, sequential_means, sequential_rates
from .comparison import Comparison, compare_means, compare_rates
from .confidence_sequence import ConfidenceSequence, rate_difference_sequence, rate_sequence
from .gate import GateFailure, gate_failure
from .group_sequential import GroupSequential, group_sequential
from .peeking import Peeking, peeking
from .power import SampleSize, means_power, means_sample_size, rates_power, rates_sample_size

__all__ = [
    "AlwaysValid",
    "Comparison",
    "ConfidenceSequence",
    "GateFailure",
    "GroupSequential",
    "Peeking",
    "SampleSize",
    "compare_means",
    "compare_rates",
    "gate_failure",
    "group_sequential",
    "means_power",
    "means_sample_size",
    "peeking",
    "rate_difference_sequence",
    "rate_sequence",
    "rates_power",
    "rates_sample_size",
    "sequential_means",
    "sequential_rates",
]
