"""Makes a service graph in which the engines differ as small as possible, and shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import mesh_lab as ml
from mesh_lab.stations.calls import Call, Parallel, Step, all_calls
from tests import compare
from tests.compare_compiled import Way
from tests.compare_graph import first_difference, reasons
from tests.scenarios import Case

__all__ = ["report"]


def report(case: Case, way: Way, tries: int = 500) -> str:
    """Return the first difference of a shrunken case, and the case."""

    def fails(smaller: Case) -> bool:
        scenario = smaller.scenario
        return (
            bool(scenario.called)
            and not reasons(scenario)
            and first_difference(smaller, way) is not None
        )

    with mock.patch.object(compare, "_smaller", _smaller(compare._smaller)):
        small = compare.shrink(case, fails, tries)
    return f"{first_difference(small, way)}\n{small!r}"


def _smaller(of_all: Callable[[Case], Iterator[Case]]) -> Callable[[Case], Iterator[Case]]:
    """Return what yields smaller cases: those of all scenarios, and those of graphs."""

    def smaller(case: Case) -> Iterator[Case]:
        yield from of_all(case)
        for i, part in enumerate(case.parts):
            if not isinstance(part, ml.Service):
                continue
            others = [*case.parts[:i], *case.parts[i + 1 :]]
            without = [_not_calling(other, part.name) for other in others]
            yield dataclasses.replace(case, parts=tuple(without))
            for calls in _fewer(part.calls):
                yield _with(case, i, dataclasses.replace(part, calls=calls))
            for policy in _simpler(part.policy):
                yield _with(case, i, dataclasses.replace(part, policy=policy))
            if len(part.endpoints) > 1:
                fewer = part.endpoints[: len(part.endpoints) // 2]
                yield _with(case, i, dataclasses.replace(part, endpoints=fewer))
            if isinstance(part.service_time, ml.Distribution):
                even = ml.Deterministic(value=1.0)
                if part.service_time != even:
                    yield _with(case, i, dataclasses.replace(part, service_time=even))

    def tried(case: Case) -> Iterator[Case]:
        ahead = smaller(case)
        while True:
            try:
                yield next(ahead)
            except StopIteration:
                return
            except ml.MeshLabError:  # parts that do not fit; the rest is left for later
                return

    return tried


def _with(case: Case, i: int, part: ml.Service) -> Case:
    return dataclasses.replace(case, parts=(*case.parts[:i], part, *case.parts[i + 1 :]))


def _not_calling(part: Any, name: str) -> Any:
    """Return a part that neither calls, nor sends to, the service `name`."""
    part = compare._without(part, name)
    if not isinstance(part, ml.Service) or name not in {c.service for c in all_calls(part.calls)}:
        return part
    calls = tuple(_of_step(step, lambda call: call.service != name) for step in part.calls)
    return dataclasses.replace(part, calls=tuple(step for step in calls if step is not None))


def _of_step(step: Step, keeps: Callable[[Call], bool]) -> Step | None:
    """Return what is left of a step."""
    if not isinstance(step, Parallel):
        return step if keeps(Call(step) if isinstance(step, str) else step) else None
    calls = tuple(c for c in step.calls if keeps(Call(c) if isinstance(c, str) else c))
    return Parallel(calls) if calls else None


def _fewer(calls: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    """Yield simpler calls: without one of them, or one of them simpler."""
    for k, step in enumerate(calls):
        before, after = calls[:k], calls[k + 1 :]
        yield (*before, *after)
        if isinstance(step, Parallel):
            for j in range(len(step.calls)):
                rest = step.calls[:j] + step.calls[j + 1 :]
                yield (*before, Parallel(rest) if rest else step.calls[j], *after)
                if isinstance(step.calls[j], Call):
                    for one in _plainer(step.calls[j]):
                        changed = (*step.calls[:j], one, *step.calls[j + 1 :])
                        yield (*before, Parallel(changed), *after)
            if len(step.calls) == 1:
                yield (*before, step.calls[0], *after)
        elif isinstance(step, Call):
            for one in _plainer(step):
                yield (*before, one, *after)


def _plainer(call: Any) -> Iterator[str | Call]:
    yield call.service
    for fields in ({"probability": 1.0}, {"optional": False}, {"policy": None}):
        changed = dataclasses.replace(call, **fields)
        if changed != call:
            yield changed
    for policy in _simpler(call.policy):
        yield dataclasses.replace(call, policy=policy)


def _simpler(policy: ml.Policy | None) -> Iterator[ml.Policy]:
    """Yield policies with one thing less."""
    if policy is None:
        return
    for field in dataclasses.fields(policy):
        if getattr(policy, field.name) != field.default:
            try:
                less: dict[str, Any] = {field.name: field.default}
                yield dataclasses.replace(policy, **less)
            except ml.MeshLabError:
                continue
    if policy.retries is not None and policy.retries.backoff is not None:
        yield dataclasses.replace(policy, retries=ml.Retries(policy.retries.times))
