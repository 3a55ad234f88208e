"""Ways to break the compiled engine, each of which the comparison with the reference must find.

They are planted by `tests.faults.planted`, and run without numba: recompiling the loop for each
would take minutes.
"""

from __future__ import annotations

import numpy as np

from mesh_lab.columns import Columns
from tests.compare_compiled import (
    Code,
    first_difference,
    not_for_ever,
    quarters,
    reference,
    unlike_summaries,
)
from tests.faults import Fault, planted
from tests.scenarios import Case
from tests.scenarios_compiled import cramped, make

LOOP, ONEPASS = "engines.compiled.loop", "engines.compiled.onepass"
DRIVER, FEEDING = "engines.compiled.driver", "engines.compiled.feeding"

FAULTS = {
    # the order of events
    "of two events at one time the later planned comes first": Fault(
        LOOP,
        "if times[up] < time or (times[up] == time and keys[up] < key):",
        "if times[up] < time or (times[up] == time and keys[up] > key):",
    ),
    "responses come back after users wake": Fault(
        LOOP,
        "hops, rank_of, subject = BACK, COMPLETED, row",
        "hops, rank_of, subject = BACK, HOPPED + 1, row",
    ),
    "requests reach their endpoint before completions": Fault(
        LOOP, "hops, subject = REACH, row", "hops, rank_of, subject = REACH, 0, row"
    ),
    "open sources before everything else": Fault(
        LOOP, "            if first <= time:\n", "            if first < time:\n"
    ),
    "of two sources the one declared last comes first": Fault(
        LOOP, "if w_next_time[k] < time:", "if w_next_time[k] <= time:"
    ),
    "changes after whatever else happens at their time": Fault(
        LOOP, "w_change_key < keys[0])", "w_change_key > keys[0])"
    ),
    # lines
    "one too many may wait": Fault(
        LOOP, "fits = w_waiting[e] < w_room or", "fits = w_waiting[e] <= w_room or"
    ),
    "capacity counts only those who wait": Fault(
        LOOP, "fits = w_waiting[e] + w_in_service[e] < w_room", "fits = w_waiting[e] < w_room"
    ),
    "of equals the last to arrive is served first": Fault(
        LOOP,
        "    if rank[b] < rank[a] or (rank[b] == rank[a] and order[b] < order[a]):\n",
        "    if rank[b] < rank[a] or (rank[b] == rank[a] and order[b] > order[a]):\n",
    ),
    "the first started is interrupted": Fault(
        LOOP,
        "if rank[w_hands[k]] >= rank[w_hands[victim]]",
        "if rank[w_hands[k]] > rank[w_hands[victim]]",
    ),
    "the interrupted one begins anew": Fault(
        LOOP, "w_work[other] = w_due[other] - now", "w_work[other] = w_work[other]"
    ),
    "the speed counts again after an interruption": Fault(
        LOOP,
        f"{24 * ' '}w_start[next_one] = now\n{24 * ' '}work = work / w_speed[e]\n",
        f"{24 * ' '}w_start[next_one] = now\n{20 * ' '}work = work / w_speed[e]\n",
    ),
    "an interrupted completion happens all the same": Fault(
        LOOP, "w_alarm[other] = -1", "w_alarm[other] = w_alarm[other]"
    ),
    # processor sharing
    "virtual time goes on when nobody is there": Fault(
        LOOP, "w_virtual[e] = rank[row] if count > 0 else 0.0", "w_virtual[e] = rank[row]"
    ),
    "the share before an arrival is that after it": Fault(
        LOOP,
        "w_virtual[e] = w_virtual[e] + (now - w_shared_since[e]) * share(\n"
        "                                count, workers\n",
        "w_virtual[e] = w_virtual[e] + (now - w_shared_since[e]) * share(\n"
        "                                count + 1, workers\n",
    ),
    "an abandoned completion happens all the same": Fault(
        LOOP, "if w_plan[e] == sequence:", "if w_plan[e] >= 0:"
    ),
    # balancers
    "rejected requests stay outstanding": Fault(
        LOOP,
        "v.outstanding[p * v.stride + e] -= 1",
        "v.outstanding[p * v.stride + e] -= w_outcome[row] != REJECTED",
    ),
    "proxies share what is outstanding": Fault(
        LOOP, "v.outstanding[p * v.stride + e] += 1", "v.outstanding[e] += 1"
    ),
    "every request meets the first proxy": Fault(
        LOOP, "p = int(w_uniforms[w_draws, i, at] * w_proxies)", "p = 0"
    ),
    "level and zone are drawn by each other's draw": Fault(
        LOOP, "g = pool_of(r, v, p, level, zone)", "g = pool_of(r, v, p, zone, level)"
    ),
    "latency is measured from the start of work": Fault(
        LOOP, "waited = now - w_made[row]", "waited = now - w_start[row]"
    ),
    "the speed of an endpoint is not applied to its backlog": Fault(
        LOOP, "busy + w_work[row] / (workers * w_speed[e])", "busy + w_work[row] / workers"
    ),
    "a refused request leaves the endpoint": Fault(LOOP, "if w_oracle and inside:", "if w_oracle:"),
    # users
    "users' draws are numbered by user": Fault(
        LOOP, "number = w_user_number[thinks] + w_users[k]", "number = w_user_number[thinks] + 1"
    ),
    # windows
    "a window is one too long": Fault(
        LOOP, "number + batch > low + window", "number + batch > low + window + 1"
    ),
    "the planned gap is lost with its window": Fault(
        FEEDING, "kept = int(w.gap_size[i]) - at\n", "kept = int(w.gap_size[i]) - at - 1\n"
    ),
    "the carried work of a later window is that of the first": Fault(
        FEEDING, "self.carried[low : low + size]", "self.carried[:size]"
    ),
    # changes
    "a crash spares those who wait": Fault(
        DRIVER, "gone += self._waiting(number, int(w.waiting[number]))", "pass"
    ),
    "those who wait crash first": Fault(
        DRIVER,
        "gone += self._waiting(number, int(w.waiting[number]))",
        "gone = self._waiting(number, int(w.waiting[number])) + gone",
    ),
    "who comes back is still slow": Fault(
        DRIVER, "w.speed[number] = service.ever[number].speed", "pass"
    ),
    "a new endpoint's rule is not taken up": Fault(
        DRIVER,
        "        self.state = self.balancers.state\n        self._settle()\n        feedback",
        "        self._settle()\n        feedback",
    ),
    "an endpoint that failed fails at once again": Fault(
        DRIVER,
        "self._plan(now + next(cycle), (name, cycle, not fails))",
        "self._plan(now + next(cycle), (name, cycle, fails))",
    ),
    # one pass
    "one pass: the earliest worker is not kept at the top": Fault(
        ONEPASS,
        "times[first + down + 1] < times[first + down]",
        "times[first + down + 1] > times[first + down]",
    ),
    "one pass: of two sources the one declared last comes first": Fault(
        ONEPASS, "(now == second and rival < who)", "(now == second and rival > who)"
    ),
    "one pass: the speed is not applied": Fault(
        ONEPASS, "work = w.works[who, at] / w.speed[e]", "work = w.works[who, at]"
    ),
    "one pass: what would finish after the end has finished": Fault(
        DRIVER, "    late = columns.finish >= until\n", "    late = columns.finish > until\n"
    ),
    # when no rows are kept
    "without rows: who is interrupted stays busy": Fault(
        LOOP,
        f"{36 * ' '}note_busy(c, clock, -1)\n",
        f"{36 * ' '}note_busy(c, clock, 0)\n",
    ),
    "without rows: in a crash all workers stay busy": Fault(
        DRIVER,
        "note_busy(w.counter, w.clock, -min(held, w.workers))",
        "note_busy(w.counter, w.clock, 0)",
    ),
    "without rows: who arrives when the warm-up ends is left out": Fault(
        "engines.compiled.tallying",
        "counts = ended.made >= self.warmup",
        "counts = ended.made > self.warmup",
    ),
    "without rows: a row is given away twice": Fault(
        DRIVER, "            c[world.ENDED] = 0\n", "            c[world.ENDED] = min(count, 1)\n"
    ),
}

_expected: dict[int, Columns | str] = {}


def found_after(name: str, last: int) -> int | None:
    """Plant fault `name`; return the first scenario up to `last` that finds it, or None."""
    with planted(name, FAULTS):  # the reference shares nothing with what is broken
        for seed in range(1, last + 1):
            case, small = make(seed), cramped(seed)
            if name.startswith("without rows"):
                if _summaries_differ(case, small):
                    return seed
                continue
            if seed not in _expected:
                with quarters(small):
                    _expected[seed] = reference(case)
            with not_for_ever():
                found = first_difference(case, "plain", small, expected=_expected[seed])
            if found is not None:
                return seed
    return None


def _summaries_differ(case: Case, small: bool) -> bool:
    with quarters(small), np.errstate(all="ignore"):
        try:
            return unlike_summaries(case, Code("plain")) is not None
        except Exception:
            return True
