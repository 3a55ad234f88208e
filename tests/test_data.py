"""`data_path` finds data/ from anywhere inside the repository, and says clearly when it cannot."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

import mesh_lab
from mesh_lab import data
from mesh_lab.data import data_path
from mesh_lab.errors import DataError

REPOSITORY = Path(mesh_lab.__file__).parent.parent


@pytest.mark.parametrize("where", [".", "notebooks", "mesh_lab/course", "data/measured"])
def test_it_is_found_from_any_directory_of_the_repository(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(data, "_INSTALLED_FROM", Path("nowhere"))
    monkeypatch.chdir(REPOSITORY / where)
    expected = REPOSITORY / "data" / "measured" / "requests.csv.gz"
    assert data_path("measured/requests.csv.gz") == expected


def test_the_nearest_repository_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "own.csv").write_text("a\n")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    assert data_path("own.csv") == tmp_path / "data" / "own.csv"
    assert data_path("measured/requests.csv.gz").is_relative_to(REPOSITORY)


def test_outside_of_any_repository_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "_INSTALLED_FROM", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="start inside the mesh_lab repository"):
        data_path("measured/requests.csv.gz")


def test_a_wrong_name_is_told_what_is_there() -> None:
    with pytest.raises(DataError, match=r"'measured/request.csv'; data/measured holds .*requests"):
        data_path("measured/request.csv")


@pytest.mark.parametrize("name", ["../README.md", "/etc/passwd", "measured/../../README.md"])
def test_it_does_not_lead_out_of_data(name: str) -> None:
    with pytest.raises(DataError, match="must be a path inside data/"):
        data_path(name)


def test_the_measured_traces_are_whole() -> None:
    with gzip.open(data_path("measured/requests.csv.gz"), "rt") as file:
        requests = list(csv.DictReader(file))
    assert len(requests) == 20_954
    assert set(requests[0]) == {"scheduled_s", "service_s"}
    traces = sorted(REPOSITORY.glob("data/measured/*-*.csv.gz"))
    assert len(traces) == 6
    for trace in traces:
        with gzip.open(trace, "rt") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == len(requests), trace.name
        assert set(rows[0]) == {"endpoint", "latency_s"}, trace.name
