"""Recorded traces: what comes back is what was written, and what is wrong is said."""

from __future__ import annotations

import csv
import gzip
import math
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mesh_lab as ml
from mesh_lab.draws import Draws
from mesh_lab.sources.recorded import _gaps

quick = settings(derandomize=True, deadline=None)

seconds = st.floats(min_value=0.0, max_value=1e9, allow_nan=False)


def written(path: Path, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def replay(path: Path | str, **fields: object) -> ml.Replay:
    return ml.Replay("shop", path, **{"to": "orders", "time": "t", **fields})


def refused(source: ml.Replay | ml.AccessLog) -> str:
    with pytest.raises(ml.TraceError) as caught:
        source.read()
    return str(caught.value)


# -- what comes back -------------------------------------------------------------------------------


def test_the_measured_trace_is_read_as_another_reader_reads_it() -> None:
    path = ml.data_path("measured/requests.csv.gz")
    source = replay(path, time="scheduled_s", service_time="service_s")
    table = pyarrow.csv.read_csv(path).to_pydict()
    assert source.length() == 20_954
    assert source.read().times.tolist() == table["scheduled_s"]
    assert list(source.carried()) == table["service_s"]
    assert source.long_run_rate() == 20_954 / table["scheduled_s"][-1]


@quick
@given(rows=st.lists(st.tuples(seconds, seconds), min_size=1, max_size=50))
def test_every_number_survives_csv_and_parquet(
    rows: list[tuple[float, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("traces")
    times = sorted(time for time, _ in rows)
    works = [work for _, work in rows]
    text = "t,what,s\n" + "".join(f"{t!r},x,{s!r}\n" for t, s in zip(times, works, strict=True))
    pq.write_table(pa.table({"t": times, "s": works}), folder / "trace.parquet")
    packed = gzip.compress((folder / "trace.parquet").read_bytes())
    paths = [
        written(folder / "trace.csv", text),
        written(folder / "TRACE.CSV.gz", text),
        folder / "trace.parquet",
        written(folder / "packed.parquet", packed).rename(folder / "packed.parquet.gz"),
    ]
    for path in paths:
        trace = replay(path, service_time="s").read()
        assert trace.times.tolist() == times
        assert trace.service_times is not None
        assert trace.service_times.tolist() == works


@quick
@given(times=st.lists(seconds, min_size=1, max_size=200).map(sorted))
def test_gaps_added_up_give_the_times_again_without_drift(times: list[float]) -> None:
    now = 0.0
    gaps = list(_gaps(times))
    for gap, time in zip(gaps, times, strict=True):
        assert gap >= 0.0
        now = now + gap
        assert abs(now - time) <= math.ulp(time)
    for gap, (before, time) in zip(gaps[1:], pairwise(times), strict=True):
        assert (gap == 0.0) or (time > before)


def test_a_sum_that_cannot_be_exact_is_put_right_by_the_next() -> None:
    times = [2.0**-53, 1.0 + 2.0**-52, 1.5, 1.75]  # no gap leads from the first to the second
    reached = np.cumsum(list(_gaps(times))).tolist()
    assert reached[1] == 1.0
    assert reached[2:] == times[2:]
    assert np.cumsum([times[0], *np.diff(times)]).tolist()[2:] != times[2:]


def test_the_measured_times_are_reached_exactly() -> None:
    source = replay(ml.data_path("measured/requests.csv.gz"), time="scheduled_s")
    reached = np.cumsum(list(source.gaps(Draws(1))))
    assert reached.tolist() == source.read().times.tolist()


def test_a_run_has_the_recorded_arrivals_and_work(tmp_path: Path) -> None:
    path = written(tmp_path / "trace.csv", "t,s\n0.0,1.0\n0.5,0.25\n0.5,2.0\n4,0\n")
    scenario = ml.Scenario(replay(path, service_time="s"), ml.Service("orders"))
    rows = ml.simulate(scenario, requests=10, seed=1).requests
    assert rows["arrival"].tolist() == [0.0, 0.5, 0.5, 4.0]
    assert rows["finish"].tolist() == [1.0, 1.25, 3.25, 4.0]


def test_work_is_left_to_the_service_without_a_column_for_it(tmp_path: Path) -> None:
    path = written(tmp_path / "trace.csv", "t\n1\n1\n")
    source = replay(path)
    assert source.carried() is None
    assert list(source.gaps(Draws(1))) == [1.0, 0.0]
    with pytest.raises(ml.ScenarioError, match="every request must carry its own"):
        ml.Scenario(source, ml.Service("orders"))


def test_a_start_shifts_the_times_to_zero(tmp_path: Path) -> None:
    path = written(tmp_path / "trace.csv", "t\n1700000000.5\n1700000002\n")
    source = replay(path, start=1_700_000_000.0)
    assert source.read().times.tolist() == [0.5, 2.0]
    assert source.long_run_rate() == 1.0
    assert refused(replay(path, start=1_700_000_001.0)) == (
        f"Replay 'shop': {path}, line 2, column 't': is 1700000000.5, which is before "
        "start=1700000001.0"
    )


def test_all_at_time_zero_has_no_rate(tmp_path: Path) -> None:
    assert replay(written(tmp_path / "trace.csv", "t\n0\n0\n")).long_run_rate() is None


def test_quotes_a_byte_order_mark_and_dos_line_ends_are_read(tmp_path: Path) -> None:
    text = '\ufeffnote,"the ""t"", s"\r\n"two\r\nlines",1.5\r\nplain,2'
    path = written(tmp_path / "trace.csv", text)
    assert replay(path, time='the "t", s').read().times.tolist() == [1.5, 2.0]


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    path = written(tmp_path / "trace.csv", "t\n1\n2\n")
    source = replay(path)
    assert source.read() is source.read()
    written(path, "t\n1\n3\n")
    os.utime(path, ns=(1, 1))
    assert source.read().times.tolist() == [1.0, 3.0]


def test_a_relative_path_follows_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = replay("trace.csv")
    for folder, value in (("a", "1"), ("b", "2")):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder / "trace.csv", f"t\n{value}\n")
        os.utime(tmp_path / folder / "trace.csv", ns=(1, 1))
        monkeypatch.chdir(tmp_path / folder)
        assert source.read().times.tolist() == [float(value)]


def test_what_was_read_cannot_be_changed(tmp_path: Path) -> None:
    trace = replay(written(tmp_path / "trace.csv", "t,s\n1,1\n"), service_time="s").read()
    for column in trace:
        assert column is not None
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 5.0


def test_path_and_text_make_equal_parts_with_a_stable_repr() -> None:
    one = replay("traces/monday.csv")
    assert one == replay(Path("traces/monday.csv"))
    assert repr(one) == "Replay('shop', 'traces/monday.csv', to='orders', time='t')"
    measured = ml.data_path("measured/requests.csv.gz")
    assert repr(replay(measured)) == (
        "Replay('shop', data_path('measured/requests.csv.gz'), to='orders', time='t')"
    )


# -- what is refused -------------------------------------------------------------------------------

MUST = "but must be a number of seconds, finite and at least 0"

WRONG_CSV = {
    "letters": ("t,s\n1,1\nabc,2\n", f", line 3, column 't': is 'abc', {MUST}"),
    "empty value": ("t,s\n1,1\n2,\n", f", line 3, column 's': is '', {MUST}"),
    "decimal comma": ('t,s\n"1,5",2\n', f", line 2, column 't': is '1,5', {MUST}"),
    "negative": ("t,s\n1,1\n2,-0.5\n", f", line 3, column 's': is -0.5, {MUST}"),
    "negative time": ("t,s\n-1,1\n", f", line 2, column 't': is -1.0, {MUST}"),
    "not a number": ("t,s\n1,nan\n", f", line 2, column 's': is nan, {MUST}"),
    "infinite": ("t,s\n1,1\n1e999,1\n", f", line 3, column 't': is inf, {MUST}"),
    "backwards": (
        "t,s\n1,1\n3,1\n2.5,1\n",
        ", line 4, column 't': is 2.5, but line 3 has 3.0; times must not go backwards",
    ),
    "after lines in quotes": (
        't,s,n\n1,1,"a\nb\nc"\n2,1,"d\ne"\nx,1,f\n',
        f", line 7, column 't': is 'x', {MUST}",
    ),
    "in lines with quotes": (
        't,s,n\n1,1,"a\nb"\nx,1,"c\nd"\n',
        f", line 4, column 't': is 'x', {MUST}",
    ),
    "backwards after quotes": (
        't,s,n\n1,1,"a\nb\nc"\n5,1,"d\ne"\n4,1,f\n',
        ", line 7, column 't': is 4.0, but line 5 has 5.0; times must not go backwards",
    ),
    "short row": ("t,s\n1,1\n2\n", ", line 3: has 1 value, but the header has 2"),
    "long row": ("t,s\n1,1,7\n", ", line 2: has 3 values, but the header has 2"),
    "blank line": ("t,s\n1,1\n\n2,1\n", ", line 3: is empty, but must have 2 values"),
    "no rows": ("t,s\n", ": has a header but no rows"),
    "missing column": (
        "t,service\n1,1\n",
        ": has no column 's'; its columns are: 't', 'service'",
    ),
    "misspelt column": (
        "tt,s\n1,1\n",
        ": has no column 't' (did you mean 'tt'?); its columns are: 'tt', 's'",
    ),
    "semicolons": ("t;s\n1;1\n", ": has no column 't'; its columns are: 't;s'"),
    "two columns of a name": ("t,s,t\n1,1,1\n", ": has 2 columns called 't'"),
    "open quote": (
        't,s\n1,1\n"2,1\n3,1\n4,1\n',
        ", line 3: is not CSV: unexpected end of data",
    ),
    "stray quote": (
        't,s\n1,1\n"2"x,1\n3,1\n',
        ", line 3: is not CSV: ',' expected after '\"'",
    ),
    "only blank lines": ("\n\n", ": has no column 't'; its columns are: none"),
    "latin": (b"t,s\n1,1\n2,1\n\xe9,1\n", ", line 4: holds the byte 0xe9, but must be UTF-8"),
    "gzipped": (
        gzip.compress(b"t,s\n1,1\n"),
        ", line 1: holds the byte 0x8b, but must be UTF-8; it looks gzipped: then its name must "
        "end in .gz",
    ),
}


@pytest.mark.parametrize("case", WRONG_CSV)
@pytest.mark.parametrize("name", ["trace.csv", "trace.csv.gz"])
def test_a_wrong_csv_is_refused(case: str, name: str, tmp_path: Path) -> None:
    text, message = WRONG_CSV[case]
    path = written(tmp_path / name, text)
    assert refused(replay(path, service_time="s")) == f"Replay 'shop': {path}{message}"


@quick
@given(rows=st.lists(st.sampled_from(["1,1,x\n", '1,1,"a\nb"\n', '1,1,"\r\n\r"\r\n', '1,1,""\r'])))
def test_the_line_is_the_one_that_an_editor_shows(
    rows: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = "t,s,n\n" + "".join(rows)
    path = written(tmp_path_factory.mktemp("t") / "t.csv", before + "oops,1,z\n")
    # an editor counts \n, \r\n and \r alone
    line = before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert f", line {line}, column 't': is 'oops'" in refused(replay(path, service_time="s"))


def test_a_cut_off_gzip_is_refused(tmp_path: Path) -> None:
    whole = ml.data_path("measured/requests.csv.gz").read_bytes()
    for size in (5, 1000, len(whole) - 4):
        path = tmp_path / "trace.csv.gz"
        path.write_bytes(whole[:size])
        assert refused(replay(path, time="scheduled_s")) == (
            f"Replay 'shop': {path}: is cut off: the gzip data has no end"
        )


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(b"t\n1\n2\n")
    assert refused(replay(path)).startswith(
        f"Replay 'shop': {path}: is not gzip data, or is damaged: Not a gzipped file"
    )
    whole = bytearray(gzip.compress(b"t\n1\n2\n"))
    whole[-6] ^= 0xFF  # in the checksum
    path.write_bytes(whole)
    assert refused(replay(path)).startswith(
        f"Replay 'shop': {path}: is not gzip data, or is damaged: CRC check failed"
    )


def test_no_file_no_content_no_known_kind(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    assert refused(replay(path)) == (
        f"Replay 'shop': {path}: cannot be read: No such file or directory"
    )
    path.touch()
    assert refused(replay(path)) == f"Replay 'shop': {path}: is empty"
    assert refused(replay(tmp_path)) == (
        f"Replay 'shop': {tmp_path}: is a directory, but must be a file"
    )
    path = written(tmp_path / "trace.xlsx", "t\n1\n")
    assert refused(replay(path)) == (
        f"Replay 'shop': {path}: is of an unknown kind; the name must end in .csv, .csv.gz, "
        ".parquet or .parquet.gz"
    )


def test_an_empty_gzip_has_no_columns(tmp_path: Path) -> None:
    path = written(tmp_path / "trace.csv.gz", "")
    assert refused(replay(path)) == (
        f"Replay 'shop': {path}: has no column 't'; its columns are: none"
    )


WRONG_PARQUET = {
    "no rows": (pa.array([], pa.float64()), ": has columns but no rows"),
    "text": (pa.array(["1"]), f", column 't': is of type string, {MUST}"),
    "truth": (pa.array([True]), f", column 't': is of type bool, {MUST}"),
    "moments": (
        pa.array([1], pa.timestamp("ms")),
        f", column 't': is of type timestamp[ms], {MUST}",
    ),
    "missing": (pa.array([1.0, None]), f", row 2, column 't': is missing, {MUST}"),
    "not a number": (pa.array([1.0, math.nan]), f", row 2, column 't': is nan, {MUST}"),
    "negative": (pa.array([-1]), f", row 1, column 't': is -1.0, {MUST}"),
    "backwards": (
        pa.array([1, 5, 3]),
        ", row 3, column 't': is 3.0, but row 2 has 5.0; times must not go backwards",
    ),
}


@pytest.mark.parametrize("case", WRONG_PARQUET)
def test_a_wrong_parquet_is_refused(case: str, tmp_path: Path) -> None:
    column, message = WRONG_PARQUET[case]
    path = tmp_path / "trace.parquet"
    pq.write_table(pa.table({"t": column}), path)
    assert refused(replay(path)) == f"Replay 'shop': {path}{message}"


def test_integers_that_no_float_holds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.parquet"
    pq.write_table(pa.table({"t": [1, 2**53 + 1]}), path)
    assert refused(replay(path)).startswith(f"Replay 'shop': {path}, column 't': Integer value")


def test_something_else_is_no_parquet(tmp_path: Path) -> None:
    path = written(tmp_path / "trace.parquet", "t\n1\n")
    assert refused(replay(path)).startswith(
        f"Replay 'shop': {path}: is not a Parquet file, or is damaged: "
    )
    pq.write_table(pa.table({"time": [1]}), path)
    assert refused(replay(path)) == (
        f"Replay 'shop': {path}: has no column 't'; its columns are: 'time'"
    )
    packed = tmp_path / "trace.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes())[:-20])
    assert refused(replay(packed)) == (
        f"Replay 'shop': {packed}: is cut off: the gzip data has no end"
    )


def test_check_and_simulate_say_what_is_wrong(tmp_path: Path) -> None:
    path = written(tmp_path / "trace.csv", "t,s\n2,1\n1,1\n")
    scenario = ml.Scenario(replay(path, service_time="s"), ml.Service("orders"))
    with pytest.raises(ml.TraceError, match="times must not go backwards"):
        scenario.check()
    with pytest.raises(ml.TraceError, match="times must not go backwards"):
        ml.simulate(scenario, requests=1, seed=1)


def test_fields_are_checked_when_the_part_is_made() -> None:
    with pytest.raises(ml.PartError) as caught:
        ml.Replay("shop", 3, to="orders", time="t")
    assert str(caught.value) == "Replay 'shop', path: is 3, but must be a string or a Path"
    with pytest.raises(ml.PartError) as caught:
        replay("")
    assert str(caught.value) == "Replay 'shop', path: is '', but must be the path of a file"


def test_the_reader_knows_everything_that_the_csv_module_writes(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "t"])
        table.writerows([[f'"{i}",\n', i / 7] for i in range(100)])
    assert replay(path).read().times.tolist() == [i / 7 for i in range(100)]
