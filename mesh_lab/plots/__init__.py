"""Looking at a run: figures that return their axes and leave everything else alone.

Every function takes ``ax=`` (a figure of its own by default), returns the axes, shows nothing and
changes no setting of matplotlib.  Times go in as seconds and are shown in ``unit=``.
Lines differ in colour (Okabe and Ito's palette), dashes and marks, and carry their labels.

===================  ==============================================================
`scenario`           the parts, and where requests go between them
`arrivals`           when requests came: how many a second, and each of them
`queue`              how many wait, and how many workers are busy, over time
`tail`               what share of the requests took longer than a time
`histogram`          what share took how long
`request_timeline`   one request's life: waiting, service, blocked
`waterfall`          one request's attempts among services that call each other
`outcomes`           how requests ended
`utilisation_curve`  time against load, with theory
`comparison`         results side by side, with their intervals
`describe`           the numbers that a figure shows, as text
===================  ==============================================================
"""

from .arriving import arrivals
from .ends import outcomes
from .graph import scenario
from .histograms import histogram
from .lifetimes import request_timeline
from .load import utilisation_curve
from .queues import queue
from .results import comparison
from .tails import tail
from .telling import describe
from .waterfalls import waterfall

__all__ = [
    "arrivals",
    "comparison",
    "describe",
    "histogram",
    "outcomes",
    "queue",
    "request_timeline",
    "scenario",
    "tail",
    "utilisation_curve",
    "waterfall",
]
