"""Access logs: lines of real servers, whole seconds, and lines in the order of endings."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import mesh_lab as ml
from mesh_lab.draws import Draws

quick = settings(derandomize=True, deadline=None)

# the examples of Apache's "Log Files" page, and one line as nginx's predefined format makes it
COMMON = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326'
COMBINED = f'{COMMON} "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
NGINX = '::1 - - [10/Oct/2000:20:55:38 +0000] "GET /?q=\\x22a HTTP/1.1" 404 0 "-" "curl/8 [x]"'


def log(tmp_path: Path, *lines: str, **fields: object) -> ml.AccessLog:
    path = tmp_path / "access.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    return ml.AccessLog("web", path, **{"to": "site", **fields})


def at(second: int, rest: str = "") -> str:
    """Return a line of the given second after noon."""
    clock = f"{12 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return f'h - - [18/Sep/2011:{clock} +0000] "GET / HTTP/1.1" 200 5{rest}'


def refused(source: ml.AccessLog) -> str:
    with pytest.raises(ml.TraceError) as caught:
        source.read()
    return str(caught.value)


# -- what comes back ----------------------------------------------------------------------------


def test_common_combined_and_nginx_lines_are_read_across_time_zones(tmp_path: Path) -> None:
    source = log(tmp_path, COMMON, COMBINED, NGINX, spread="none")
    assert source.read().times.tolist() == [0.0, 0.0, 2.0]
    assert source.carried() is None
    assert source.length() == 3
    assert source.long_run_rate() == 1.0  # three requests in the three seconds 36, 37, 38


@pytest.mark.parametrize(
    "line",
    [
        r'h - - [10/Oct/2000:13:55:36 -0700] "GET /\"quoted\" HTTP/1.0" 200 -',
        r'h - - [10/Oct/2000:13:55:36 -0700] "" 400 0 "-" "-"',
        r'h - - [10/Oct/2000:13:55:36 -0700] "-" 408 - "-" "-"',
        r'h - - [10/Oct/2000:13:55:36 -0700] "\x16\x03\x01\\" 400 226',
        r'www.example.com:80 h - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1',
        r'2001:db8::1 - two words [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 499 0 "-"',
        'h - Andr\udce9 [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1 "-" "a" rt=0.3',
    ],
)
def test_odd_but_real_lines_are_read(line: str, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(line.encode("utf-8", "surrogateescape"))
    assert ml.AccessLog("web", path, to="site").length() == 1


def test_a_gzipped_log_and_dos_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "access.log.gz"
    path.write_bytes(gzip.compress(f"{at(0)}\r\n{at(7)}\r\n".encode()))
    source = ml.AccessLog("web", path, to="site", spread="none")
    assert source.read().times.tolist() == [0.0, 7.0]


def test_a_clock_that_is_set_back_for_winter_does_not_go_back(tmp_path: Path) -> None:
    before = 'h - - [30/Oct/2011:02:59:59 +0200] "GET / HTTP/1.1" 200 5'
    after = 'h - - [30/Oct/2011:02:00:01 +0100] "GET / HTTP/1.1" 200 5'
    assert log(tmp_path, before, after).read().times.tolist() == [0.0, 2.0]


def test_lines_in_the_order_of_endings_are_sorted_only_when_asked(tmp_path: Path) -> None:
    lines = [at(5, ' "-" "-" 50'), at(3, ' "-" "-" 30'), at(5, ' "-" "-" 51'), at(3)]
    source = log(tmp_path, *lines[:3])
    assert refused(source) == (
        f"AccessLog 'web': {source.path}, line 2: is 2 s earlier than line 1; if that is because "
        "lines are written when requests end (as Apache does), say unordered='sort'"
    )
    ordered = log(
        tmp_path, *lines[:3], unordered="sort", spread="none", service_time=r"(\d+)$", unit=0.001
    )
    assert ordered.read().times.tolist() == [0.0, 2.0, 2.0]
    assert list(ordered.carried() or ()) == [30 * 0.001, 50 * 0.001, 51 * 0.001]


def test_lines_of_one_second_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = [at(number % 3, f" {number}") for number in range(100)]
    source = log(tmp_path, *lines, unordered="sort", service_time=r"(\S+)$")
    assert list(source.carried() or ()) == [*range(0, 100, 3), *range(1, 100, 3), *range(2, 100, 3)]


def test_even_spread_puts_each_in_the_middle_of_its_share(tmp_path: Path) -> None:
    source = log(tmp_path, at(0), at(0), at(1), at(3), at(3), at(3), at(3), spread="even")
    assert source.times(Draws(1)).tolist() == [0.25, 0.75, 1.5, 3.125, 3.375, 3.625, 3.875]
    assert list(source.gaps(Draws(1)))[:3] == [0.25, 0.5, 0.75]


def test_no_spread_makes_bursts_with_gaps_of_exactly_zero(tmp_path: Path) -> None:
    source = log(tmp_path, at(0), at(0), at(2), at(2), spread="none")
    assert list(source.gaps(Draws(1))) == [0.0, 0.0, 2.0, 0.0]


@quick
@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=80), seed=st.integers(0, 2**31))
def test_random_spread_keeps_every_second_and_the_order(
    counts: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    counts[0] = max(counts[0], 1)  # the earliest second is time 0
    lines = [at(second) for second, count in enumerate(counts) for _ in range(count)]
    source = log(tmp_path_factory.mktemp("logs"), *lines)
    times = source.times(Draws(seed))
    assert np.all(np.diff(times) >= 0.0)
    assert np.bincount(times.astype(int), minlength=len(counts)).tolist() == counts
    assert times.tolist() == source.times(Draws(seed)).tolist()
    assert len(times) < 9 or times.tolist() != source.times(Draws(seed + 1)).tolist()


def test_random_spread_gives_a_poisson_process_back(tmp_path: Path) -> None:
    # 20 replications of 2000 arrivals, seeds 1..20; the gaps are compared with the exponential
    # distribution by Kolmogorov-Smirnov.  Under it, p-values are uniform: that 4 or more of 20 are
    # below 0.05 has a probability of 1.6 %.  Even spread is refused in every replication.
    refusals = {"random": 0, "even": 0}
    for seed in range(1, 21):
        rng = np.random.default_rng(seed)
        real = np.cumsum(rng.exponential(1.0 / 5.0, 2000))
        lines = [at(int(second)) for second in real]
        for spread in refusals:
            source = log(tmp_path, *lines, spread=spread)
            gaps = np.diff(source.times(Draws(seed)))
            refusals[spread] += stats.kstest(gaps, "expon", args=(0.0, 0.2)).pvalue < 0.05
    assert refusals["random"] < 4
    assert refusals["even"] == 20


def test_a_run_replays_the_log(tmp_path: Path) -> None:
    source = log(tmp_path, at(0, " 0.5"), at(2, " 0.25"), spread="none", service_time=r"(\S+)$")
    rows = ml.simulate(ml.Scenario(source, ml.Service("site")), requests=9, seed=1).requests
    assert rows["arrival"].tolist() == [0.0, 2.0]
    assert rows["finish"].tolist() == [0.5, 2.25]


def test_another_part_does_not_move_the_arrivals(tmp_path: Path) -> None:
    source = log(tmp_path, *[at(0)] * 50)
    service = ml.Service("site", service_time=ml.Exponential(mean=0.01))
    alone = ml.simulate(ml.Scenario(source, service), requests=50, seed=3)
    other = ml.Poisson("other", rate=20.0, to="site")
    both = ml.simulate(ml.Scenario(source, other, service), until=1.0, seed=3)
    rows = both.requests
    assert rows.loc[rows["source"] == "web", "arrival"].tolist() == (
        alone.requests["arrival"].tolist()
    )


# -- what is refused ----------------------------------------------------------------------------

MUST = (
    "but must be of the Common or Combined Log Format: host ident user "
    '[10/Oct/2000:13:55:36 -0700] "request" status size ...'
)
TIMES = {
    "10/Okt/2000:13:55:36 -0700": "it must look like 10/Oct/2000:13:55:36 -0700",
    "2000-10-10T13:55:36-07:00": "it must look like 10/Oct/2000:13:55:36 -0700",
    "10/Oct/2000:13:55:36": "it must look like 10/Oct/2000:13:55:36 -0700",
    "10/Oct/2000:13:55:36 -0760": "it must look like 10/Oct/2000:13:55:36 -0700",
    "31/Feb/2000:13:55:36 -0700": "day is out of range for month",
    "10/Oct/2000:24:00:00 -0700": "hour must be in 0..23",
    "10/Oct/0000:13:55:36 -0700": "year 0 is out of range",
}


@pytest.mark.parametrize("stamp", TIMES)
def test_an_impossible_time_is_refused(stamp: str, tmp_path: Path) -> None:
    source = log(tmp_path, at(0), f'h - - [{stamp}] "GET / HTTP/1.0" 200 1')
    assert refused(source) == (
        f"AccessLog 'web': {source.path}, line 2: the time '{stamp}' is impossible: {TIMES[stamp]}"
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("", "''"),
        ("what is this?", "'what is this?'"),
        ("x" * 300, f"'{'x' * 100}'..."),
        ('{"time": "\u2026"}', '\'{"time": "\\u2026"}\''),
        ('h - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0', None),  # cut off
        ('h - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" OK 1', None),
        ('h - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1k', None),
        ('h - - [10/Oct/2000:13:55:36 -0700] "a "b" c" 200 1', None),
    ],
)
def test_another_line_is_refused(line: str, shown: str | None, tmp_path: Path) -> None:
    source = log(tmp_path, at(0), at(0), line)
    assert refused(source) == (
        f"AccessLog 'web': {source.path}, line 3: is {shown or repr(line)}, {MUST}"
    )


def test_a_service_time_that_is_none_is_refused(tmp_path: Path) -> None:
    fields = {"service_time": r"rt=(\S+)"}
    good = at(0, ' "-" "-" rt=0.1')
    for word, found in [("-", "'-'"), ("-1", "'-1'"), ("nan", "'nan'"), ("1e999", "'1e999'")]:
        source = log(tmp_path, good, at(0, f" rt={word}"), **fields)
        assert refused(source) == (
            f"AccessLog 'web': {source.path}, line 2, service_time: is {found}, but must be a "
            "number, finite and at least 0"
        )
    source = log(tmp_path, good, at(0, ' "-" "ab"'), **fields)
    assert refused(source) == (
        f"AccessLog 'web': {source.path}, line 2, service_time: 'rt=(\\\\S+)' finds nothing in "
        '\'"-" "ab"\', which follows the size'
    )
    source = log(tmp_path, at(0, " 1e300"), service_time=r"(\S+)$", unit=1e300)
    assert "line 1, service_time: is '1e300'" in refused(source)


def test_an_expression_must_be_one_with_one_group() -> None:
    with pytest.raises(ml.PartError) as caught:
        ml.AccessLog("web", "access.log", to="site", service_time="(")
    assert str(caught.value) == (
        "AccessLog 'web', service_time: is '(', no regular expression: missing ), unterminated "
        "subpattern at position 0"
    )
    with pytest.raises(ml.PartError) as caught:
        ml.AccessLog("web", "access.log", to="site", service_time=r"\S+$")
    assert str(caught.value) == (
        "AccessLog 'web', service_time: is '\\\\S+$', but must have one group, in parentheses, "
        "around the number; it has 0"
    )


def test_no_file_and_no_line(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    source = ml.AccessLog("web", path, to="site")
    assert refused(source) == (
        f"AccessLog 'web': {path}: cannot be read: No such file or directory"
    )
    path.touch()
    assert refused(source) == f"AccessLog 'web': {path}: is empty"
    packed = tmp_path / "access.log.gz"
    packed.write_bytes(gzip.compress(b""))
    assert refused(ml.AccessLog("web", packed, to="site")) == (
        f"AccessLog 'web': {packed}: is empty"
    )
    packed.write_bytes(gzip.compress(f"{at(0)}\n".encode())[:-3])
    assert refused(ml.AccessLog("web", packed, to="site")) == (
        f"AccessLog 'web': {packed}: is cut off: the gzip data has no end"
    )


def test_the_rate_counts_whole_seconds(tmp_path: Path) -> None:
    assert log(tmp_path, at(0), at(0)).long_run_rate() == 2.0
    assert math.isclose(log(tmp_path, at(0), at(9)).long_run_rate(), 0.2)
