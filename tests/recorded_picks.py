"""The picks of real proxies in data/balancing/, as the tests of the rules read them."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "data" / "balancing"


def hosts() -> dict[str, tuple[list[str], list[float]]]:
    """Addresses and weights of each list, in the order of the configuration."""
    lists: dict[str, tuple[list[str], list[float]]] = {}
    with (FOLDER / "hosts.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            addresses, weights = lists.setdefault(row["list"], ([], []))
            addresses.append(row["address"])
            weights.append(float(row["weight"]))
    return lists


def picks(name: str) -> dict[str, list[int]]:
    """The endpoints that were picked, request by request (or key by key), for each list."""
    with gzip.open(FOLDER / f"{name}.csv.gz", "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    return {one: [int(row[one]) for row in rows] for one in hosts()}


def starts(name: str) -> dict[str, int]:
    """How many picks Envoy's schedule was ahead of its beginning, for each list it had one for."""
    with (FOLDER / "starts.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"] == name]
    return {row["list"]: int(row["start"]) for row in rows}
