"""environment.yml, pyproject.toml, constraints.txt and the README's lists are in step."""

from __future__ import annotations

import re
import tomllib

import yaml

from tools.environment import ROOT

# What has another name on conda-forge than on PyPI.
RENAMED = {
    "matplotlib": "matplotlib-base",
    "PyMySQL": "pymysql",
    "PyYAML": "pyyaml",
    "SQLAlchemy": "sqlalchemy",
    "types-PyYAML": "types-pyyaml",
    "xxhash": "python-xxhash",
}
# Extras that conda users and readers get; the others are for those who ask for them.
LISTED = ("lab", "test", "fast")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()


def split(requirement: str) -> tuple[str, str]:
    """Split ``"numpy>=1.26"`` into a name and a specifier."""
    found = re.fullmatch(r"([A-Za-z0-9._-]+)\s*(.*)", requirement)
    assert found, requirement
    return found[1], found[2].replace(" ", "")


def required() -> dict[str, str]:
    everything = list(PROJECT["dependencies"])
    for extra in LISTED:
        everything += PROJECT["optional-dependencies"][extra]
    return dict(map(split, everything))


def conda_name(name: str) -> str:
    return RENAMED.get(name, name)


def test_environment_yml_lists_the_same_packages_and_versions() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    *listed, pip = environment["dependencies"]
    assert pip == {"pip": ["-e ."]}
    there = dict(map(split, listed))
    assert there.pop("python") == PROJECT["requires-python"]
    assert there.pop("pip") == ""
    assert there == {conda_name(name): spec for name, spec in required().items()}


def test_readme_lists_the_same_packages_and_versions() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| .+ \|$", README, re.MULTILINE)
    listed = {split(package): conda for package, conda in rows}
    assert len(rows) == len(listed)
    expected = {(name, spec): conda_name(name) for name, spec in required().items()}
    assert listed == expected


def test_every_rename_is_of_a_package_that_is_used() -> None:
    assert set(RENAMED) <= set(required())


def test_constraints_pin_every_package_and_hold_no_address() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert "://" not in text
    pinned = {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}
    assert len(re.findall(r"^\S", text, re.MULTILINE)) == len(
        re.findall(r"^\S+==\S", text, re.MULTILINE)
    )
    wanted = set(required())
    for extra in PROJECT["optional-dependencies"].values():
        wanted |= {split(requirement)[0] for requirement in extra}
    assert {name.lower() for name in wanted} <= pinned


def test_readme_names_the_oldest_python_and_real_commands() -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert f"Python {oldest} or newer" in README
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    for command in re.findall(r"`make (\w+)", README):
        assert command in targets[1].split()
