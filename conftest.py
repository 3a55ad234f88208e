"""Tests and notebooks run where nothing personal can change an output, however they start."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from tools.clean_room import clean_room


def pytest_configure(config: pytest.Config) -> None:
    """Enter the clean room for as long as pytest runs."""
    stack = ExitStack()
    stack.enter_context(clean_room())
    config.add_cleanup(stack.close)


@pytest.fixture(autouse=True)
def _no_figures_left() -> Iterator[None]:
    """Close what a test or a docstring drew: the next may ask that no figure is open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


# The same examples every time, however slow the machine is: a failure can be seen again.
settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")
