"""Ways to break the compiled engine for service graphs, each of which the comparison must find.

They are planted by `tests.faults.planted`, and run without numba: recompiling the loop for each
would take minutes.
"""

from __future__ import annotations

from mesh_lab.columns import Columns
from tests.compare_graph import first_difference, quarters, reference
from tests.faults import Fault, planted
from tests.scenarios_graph import cramped, make

__all__ = ["FAULTS", "found_after"]

LOOP, DRIVER = "engines.compiled.graph.loop", "engines.compiled.graph.driver"
WAYS, TABLES = "engines.compiled.graph.ways", "engines.compiled.graph.tables"
STACKED, GUARDING = "engines.compiled.graph.stacked", "engines.compiled.graph.guarding"

FAULTS = {
    # timers and ties
    "lists of deadlines ring before completions": Fault(
        LOOP, "key = TOO_LATE * RANKED + LISTS + k", "key = LISTS + k"
    ),
    "lists of deadlines ring before the alarms of single attempts": Fault(
        LOOP, "key = TOO_LATE * RANKED + LISTS + k", "key = TOO_LATE * RANKED + k"
    ),
    "lists of deadlines ring in another order": Fault(
        LOOP, "key = TOO_LATE * RANKED + LISTS + k", "key = TOO_LATE * RANKED + LISTS + 999 - k"
    ),
    "an alarm of its own rings before completions": Fault(
        LOOP, "keys, whats, TOO_LATE, TIMER, v, end - now", "keys, whats, 0, TIMER, v, end - now"
    ),
    "pauses end before timeouts": Fault(
        LOOP, "keys, whats, HOPPED, NEXT, q, pause)", "keys, whats, COMPLETED, NEXT, q, pause)"
    ),
    "hedges before timeouts": Fault(
        LOOP,
        "keys, whats, HOPPED, NEXT, q, g_hedge[call]",
        "keys, whats, COMPLETED, NEXT, q, g_hedge[call]",
    ),
    "who comes to an endpoint comes before completions": Fault(
        LOOP, "keys, whats, HOPPED, REACH, v, delay)", "keys, whats, 0, REACH, v, delay)"
    ),
    "responses come back after timeouts": Fault(
        LOOP, "keys, whats, COMPLETED, BACK, v, delay)", "keys, whats, HOPPED, BACK, v, delay)"
    ),
    "of all alarms of one list only the first rings": Fault(
        LOOP,
        "ring_at(c, clock, times, keys, whats, k, vs_due[of] - now)",
        "armed[k] = 0",
    ),
    "an answered attempt stays in its list of deadlines": Fault(
        LOOP,
        f"\n{24 * ' '}stop_timer(vs, first_due, last_due, v)\n",
        f"\n{24 * ' '}vs_timer[v] = min(vs_timer[v], -1)\n",
    ),
    "something comes between those of a batch": Fault(
        LOOP, "if arrived == total or w_follows[arrived] == 0:", "if arrived > 0:"
    ),
    # how often, and how long
    "one retry too many": Fault(
        LOOP,
        "more = bad and again and cs_tried[q] <= g_times[call]",
        "more = bad and again and cs_tried[q] <= g_times[call] + 1",
    ),
    "one hedge too many": Fault(
        LOOP,
        "if g_hedge[call] >= 0.0 and tried < g_times[call]:",
        "if g_hedge[call] >= 0.0 and tried <= g_times[call]:",
    ),
    "a hedge rings though a bad answer came first": Fault(
        LOOP,
        "                    cs_alarm[q] = -1\n                    push(",
        "                    push(",
    ),
    "every result is tried again": Fault(LOOP, "again = (g_on[call] >> result) & 1", "again = 1"),
    "a bad answer ends the call though a hedge is out": Fault(
        LOOP, "elif cs_first_out[q] < 0 or not again:", "else:"
    ),
    "the time of a call begins anew with each attempt": Fault(
        LOOP, "end, last = cs_end[q], 1", "end, last = now + g_timeout[call], 1"
    ),
    "the time of a call does not end with its request's deadline": Fault(
        LOOP, "cs.end[q] = end if end < limit else limit", "cs.end[q] = end"
    ),
    "what has no time left is sent": Fault(
        LOOP, "            if end <= now:\n", "            if end < now:\n"
    ),
    "an answer at the end of a call is tried again": Fault(
        LOOP, "bad = result != OK and now < cs_end[q]", "bad = result != OK and now <= cs_end[q]"
    ),
    "a pause that ends with the call is not cut short": Fault(
        LOOP, "if now + pause < cs_end[q]:", "if now + pause <= cs_end[q]:"
    ),
    "a pause does not know the one before": Fault(LOOP, "cs_pause[q] = pause", "cs_pause[q] = 0.0"),
    "pauses grow from the first retry on": Fault(
        LOOP, "pause_by(numbers, cs_tried[q],", "pause_by(numbers, cs_tried[q] + 1,"
    ),
    # deadlines that go along
    "every deadline goes along": Fault(
        LOOP,
        "if g_propagate[call] and end < cs_deadline[q]:",
        "if end < cs_deadline[q]:",
    ),
    "no deadline goes along": Fault(
        LOOP,
        "if g_propagate[call] and end < cs_deadline[q]:",
        "if g_propagate[call] and end < 0.0:",
    ),
    "the end of the call goes along, not of the try": Fault(
        LOOP, "vs_deadline[v] = end\n", "vs_deadline[v] = min(cs_end[q], cs_deadline[q])\n"
    ),
    "edf goes by the deadline of the source": Fault(
        LOOP, "vs_rank[v] = vs_deadline[v]", "vs_rank[v] = w_deadline[vs_request[v]]"
    ),
    # leaving, stopping, skipping
    "whoever was left stays outstanding": Fault(
        LOOP,
        "rows_result[row] = why\n                    view.outstanding[p * stride + e] -= 1\n",
        "rows_result[row] = why\n",
    ),
    "the rule is not told of who was left": Fault(
        LOOP,
        "answered_by(states, group[s], view, p, e, now, now - rows_sent[row], 0, NAN)",
        "pass",
    ),
    "all that is left of a call is cancelled": Fault(
        LOOP, "why = TIMEOUT if result == TIMEOUT else CANCELLED", "why = CANCELLED"
    ),
    "who is stopped while waiting keeps the place": Fault(
        LOOP, "                        lines_waiting[vs_line[v]] -= 1\n", ""
    ),
    "who is stopped in service keeps an asynchronous worker": Fault(
        LOOP,
        "                            vs_done[v] = -1\n"
        "                            if g_asynchronous[vs_service[v]]:\n"
        "                                lines_held[vs_line[v]] -= 1\n",
        "                            vs_done[v] = -1\n",
    ),
    "alarms of calls that are stopped ring": Fault(
        LOOP, "cs_alarm[leaves] = -1\n", "cs_alarm[leaves] = cs_alarm[leaves]\n"
    ),
    "the calls of who is stopped end as timeouts": Fault(
        LOOP,
        "why = TIMEOUT if result == TIMEOUT else CANCELLED",
        "why = TIMEOUT if drops or result == TIMEOUT else CANCELLED",
    ),
    "who has left is started all the same": Fault(
        LOOP, "if vs_left[other] and g_notices[s]:", "if vs_left[other] and stops[s]:"
    ),
    "who has left on the way arrives all the same": Fault(
        LOOP,
        "if vs_left[v] and g_notices[vs_service[v]]:",
        "if vs_left[v] and stops[vs_service[v]]:",
    ),
    "what comes back when nobody waits any more counts": Fault(
        LOOP, "            if vs_left[v] == 0:\n", "            if vs_known[v] == 0:\n"
    ),
    "the run does not wait for what nobody waits for": Fault(
        LOOP, "c[FLYING] == 0 and c[WORKING] == 0:", "c[FLYING] == 0:"
    ),
    # graphs
    "a step goes on when all calls but one have ended": Fault(
        LOOP,
        "                if vs_open[parent] == 0:\n",
        "                if vs_open[parent] <= 1:\n",
    ),
    "an optional call fails the request": Fault(
        LOOP,
        "if result != OK and g_optional[cs_call[q]] == 0:",
        "if result != OK:",
    ),
    "the steps that are left are made though one has failed": Fault(
        LOOP, "                        if vs_failed[v]:\n", "                        if False:\n"
    ),
    "the calls of a step are made in the other order": Fault(
        LOOP,
        "for call in range(begins, begins + g_calls[g_step[s] + step]):",
        "for call in range(begins + g_calls[g_step[s] + step] - 1, begins - 1, -1):",
    ),
    "improbable calls are made, the others are not": Fault(
        LOOP, "if chance >= g_probability[call]:", "if chance < g_probability[call]:"
    ),
    "who has failed makes calls": Fault(
        LOOP,
        "                    outcome = FAILED\n                elif g_steps[s] > 0:\n",
        "                    outcome = FAILED\n                if g_steps[s] > 0:\n",
    ),
    # lines
    "one too many may wait": Fault(
        LOOP, "lines_waiting[line] >= g_room[s]:", "lines_waiting[line] > g_room[s]:"
    ),
    "an asynchronous endpoint takes one too many": Fault(
        LOOP,
        "g_asynchronous[s] and lines_inside[line] >= g_concurrency[s]",
        "g_asynchronous[s] and lines_inside[line] > g_concurrency[s]",
    ),
    "an asynchronous worker is held while calls are made": Fault(
        LOOP,
        "                            lines_held[vs_line[v]] -= 1\n"
        "                            line = vs_line[v]\n"
        "                            stage, after = SERVES, DEPARTS\n",
        "                            line = vs_line[v]\n"
        "                            lines_held[line] -= 1\n"
        "                            stage = DEPARTS\n",
    ),
    "the speed of an endpoint is not applied": Fault(
        LOOP, "work = vs_work[other] / lines_speed[line]", "work = vs_work[other]"
    ),
    # balancers
    "latency is measured from the arrival": Fault(
        LOOP, "now - rows_sent[row], ok, vs_work[v])", "now - rows_arrival[row], ok, vs_work[v])"
    ),
    "every attempt meets the first proxy": Fault(
        LOOP, "p += int(drawn(store, way, g_at_proxy[s], number) * g_proxies[s])", "p += 0"
    ),
    "the cells of all balancers are those of the first": Fault(
        STACKED, "[value + number * step for", "[value + 0 * number * step for"
    ),
    # guards
    "a retry does not count the attempt that has failed": Fault(
        GUARDING, "g.ints[g.ints[ACTIVE] + p] + 1, 0\n", "g.ints[g.ints[ACTIVE] + p], 0\n"
    ),
    "a retry that was answered is never given back": Fault(
        LOOP, "given_back(guards, guarded[s], s, vs_holds[v])", "pass"
    ),
    "a cancelled attempt counts as an answer": Fault(
        GUARDING, "    if outcome != CANCELLED:\n", "    if outcome >= 0:\n"
    ),
    "all proxies have one breaker": Fault(
        GUARDING,
        "(p - ints[i + POOL]) * ints[i + EACH]",
        "0",
    ),
    "a failure is seen as a gateway error": Fault(
        GUARDING, "        return SEEN_ERROR\n", "        return SEEN_GATEWAY\n"
    ),
    "pools are not made anew when a breaker lets a probe in": Fault(
        LOOP, f"\n{24 * ' '}if until > now:\n", f"\n{24 * ' '}if until > INF:\n"
    ),
    # draws and their ways
    "calls of a second attempt draw as those of the first": Fault(
        WAYS, 'again = f":{self.visits[of]}" if self.visits[of] else ""', 'again = ""'
    ),
    "the second call of one service draws as the first": Fault(
        TABLES,
        "ways.append(part.name + name.removeprefix(call.service))",
        "ways.append(part.name)",
    ),
    "later attempts draw as the first": Fault(
        WAYS,
        "self._add(self.origins[before], self.visits[before] + 1, callee)",
        "self._add(self.origins[before], self.visits[before], callee)",
    ),
    "the pause is drawn by the attempt that follows": Fault(
        LOOP, "uniform = drawn(store, way, g_at_pause[s], number)", "uniform = 0.5"
    ),
    "who is done does not ask for draws": Fault(
        LOOP, "if happens and kind <= TIMER:", "if happens and DONE < kind <= TIMER:"
    ),
    "a chunk of draws that was given up is still used": Fault(
        LOOP,
        "return tag[way * reach + (chunk & (reach - 1))] == chunk",
        "return tag[way * reach + (chunk & (reach - 1))] >= chunk",
    ),
    # the engine's tables
    "the agenda is not put straight when it grows": Fault(
        DRIVER, "(int(c[world.FIRST_ITEM]) + np.arange(n)) & (n - 1)", "np.arange(n)"
    ),
    "new places are old ones": Fault(
        DRIVER,
        "grown.free[count : count + n] = np.arange(n, 2 * n)",
        "grown.free[count : count + n] = np.arange(n)",
    ),
    "who has no key has none": Fault(
        DRIVER, "np.maximum(self.arrived.key[:m], 0)", "self.arrived.key[:m]"
    ),
}

_expected: dict[int, Columns | str] = {}


def found_after(name: str, last: int) -> int | None:
    """Plant fault `name`; return the first scenario up to `last` that finds it, or None."""
    with planted(name, FAULTS):  # the reference shares nothing with what is broken
        for seed in range(1, last + 1):
            case = make(seed)
            if seed not in _expected:
                with quarters(cramped(seed)):
                    _expected[seed] = reference(case)
            if first_difference(case, "plain", expected=_expected[seed]) is not None:
                return seed
    return None
