"""All balancing rules in one table: what each looks at, what a pick costs, where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .rule import Balancer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["policy_table"]


def policy_table() -> pd.DataFrame:
    """Return one row a balancing rule.

    Returns
    -------
    DataFrame
        Index `policy`, the name of the declared part.  Columns: `sees`, what the rule looks at;
        `weights`, whether those of endpoints matter to it; `cost`, of a pick among n endpoints;
        `source`, whose rule it is; `engines` that run it.  The last row is the rule that is a
        user's own function.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> print(ml.policy_table().loc["PeakEwma", "sees"])
    its own outstanding requests and latencies
    """
    import pandas as pd

    rows = [
        (
            rule.__name__,
            rule.sees,
            "yes" if rule.weighs else "no",
            rule.cost,
            rule.origin,
            "compiled, SimPy",
        )
        for rule in sorted(_all(Balancer), key=lambda rule: rule.__name__)
    ]
    rows.append(
        ("a function", "its own outstanding requests", "its own", "its own", "you", "SimPy")
    )
    columns = ["policy", "sees", "weights", "cost", "source", "engines"]
    return pd.DataFrame(rows, columns=columns).set_index("policy")


def _all(base: type[Balancer]) -> Iterator[type[Balancer]]:
    for rule in base.__subclasses__():
        if rule.__module__.startswith("mesh_lab."):
            yield rule
        yield from _all(rule)
