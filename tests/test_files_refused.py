"""What is no scenario file: each fault with its file, line, part and field."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab import files

HEAD = "mesh_lab: 1\nparts:\n"
SHOP = "- {kind: Poisson, name: shop, to: orders, rate: 1.0}\n"


def said(kind: Any, **fields: Any) -> str:
    """Return what the part itself says about such fields (tested with the parts)."""
    with pytest.raises(ml.PartError) as caught:
        kind(**fields)
    return str(caught.value)


WRONG = {
    "empty": ("\n", ": is empty, but must begin with 'mesh_lab: 1'"),
    "only comments": ("# nothing\n", ": is empty, but must begin with 'mesh_lab: 1'"),
    "a list": ("\n- 1\n", ", line 2: must begin with 'mesh_lab: 1', then 'parts:'"),
    "a word": ("\nmesh\n", ", line 2: must begin with 'mesh_lab: 1', then 'parts:'"),
    "no version": ("parts: []\n", ", line 1: 'mesh_lab' is missing"),
    "no parts": ("\nmesh_lab: 1\n", ", line 2: 'parts' is missing"),
    "version 2": (
        "parts: []\nmesh_lab: 2\n",
        ", line 2: mesh_lab: is 2, but this mesh_lab reads version 1 of the format",
    ),
    "version true": (
        "mesh_lab: true\nparts: []\n",
        ", line 1: mesh_lab: is True, but this mesh_lab reads version 1 of the format",
    ),
    "another section": (
        f"{HEAD}{SHOP}part: []\n",
        ", line 4: there is no 'part'; did you mean 'parts'?",
    ),
    "parts are no list": (
        "mesh_lab: 1\nparts:\n  shop: {}\n",
        ", line 3: parts: must be a list, each item beginning with '- kind:'",
    ),
    "a part is a word": (
        f"{HEAD}- shop\n",
        ", line 3: a part must be a mapping with a kind: 'kind: Poisson'",
    ),
    "no kind": (
        f"{HEAD}{SHOP}- name: x\n",
        ", line 4: a part must be a mapping with a kind: 'kind: Poisson'",
    ),
    "unknown kind": (
        f"{HEAD}- kind: Poison\n",
        ", line 3: there is no part of kind 'Poison'; did you mean 'Poisson'?",
    ),
    "no kind of part": (
        f"{HEAD}- {{kind: Gamma, mean: 1.0, shape: 1.0}}\n",
        ", line 3: there is no part of kind 'Gamma'; there are: AccessLog, Bursts, Merge, Poisson, "
        "PoissonBatches, Renewal, Replay, TimeVarying, Users, Queue, Handler, Service, "
        "MessageQueue, Topic, Consumer, Redrive, Log, ConsumerGroup, DataPlane, "
        "ServiceDiscovery, Route",
    ),
    "unknown distribution": (
        f"{HEAD}- kind: Service\n  name: orders\n  service_time:\n    kind: Exponental\n",
        ", line 6: Service 'orders', service_time: there is no kind 'Exponental'; did you mean "
        "'Exponential'?",
    ),
    "unknown field": (
        f"{HEAD}- kind: Poisson\n  name: shop\n  rat: 1.0\n  to: orders\n",
        ", line 5: Poisson 'shop': there is no field 'rat'; did you mean 'rate'?",
    ),
    "self is no field": (
        f"{HEAD}- kind: Poisson\n  self: 1.0\n",
        ", line 4: Poisson: there is no field 'self'; there are: name, to, priority, deadline, "
        "key, subject, headers, rate",
    ),
    "a number is no field": (
        f"{HEAD}- kind: Queue\n  name: q\n  7: 1\n",
        ", line 5: Queue 'q': there is no field 7; there are: discipline, capacity, overflow, ttl, "
        "name",
    ),
    "missing field": (
        f"{HEAD}{SHOP}- kind: Poisson\n  name: app\n  to: orders\n",
        f", line 4: {said(ml.Poisson, name='app', to='orders')}",
    ),
    "missing name": (
        f"{HEAD}- kind: Queue\n",
        f", line 3: {said(ml.Queue)}",
    ),
    "wrong type": (
        f"{HEAD}- kind: Poisson\n  name: shop\n  to: orders\n  rate: fast\n",
        f", line 6: {said(ml.Poisson, name='shop', to='orders', rate='fast')}",
    ),
    "an octal number": (
        f"{HEAD}- kind: Queue\n  name: q\n  capacity: 010\n",
        f", line 5: {said(ml.Queue, name='q', capacity='010')}",
    ),
    "an hour": (
        f"{HEAD}- kind: Poisson\n  name: shop\n  rate: 1:30\n  to: orders\n",
        f", line 5: {said(ml.Poisson, name='shop', to='orders', rate='1:30')}",
    ),
    "nothing": (
        f"{HEAD}- kind: Poisson\n  name: shop\n  rate: 1\n  to:\n",
        f", line 6: {said(ml.Poisson, name='shop', rate=1, to=None)}",
    ),
    "not a number": (
        f"{HEAD}- kind: Poisson\n  name: shop\n  to: orders\n  rate: .nan\n",
        f", line 6: {said(ml.Poisson, name='shop', to='orders', rate=math.nan)}",
    ),
    "inside a distribution": (
        f"{HEAD}- kind: Service\n  name: orders\n  service_time:\n    kind: Exponential\n"
        "    mean: -0.02\n",
        f", line 7: Service 'orders', service_time: {said(ml.Exponential, mean=-0.02)}",
    ),
    "inside a merged source": (
        f"{HEAD}- kind: Merge\n  name: all\n  to: orders\n  sources:\n  - kind: Poisson\n"
        "    name: web\n    to: x\n    rate: 0\n",
        f", line 10: Merge 'all', sources: {said(ml.Poisson, name='web', to='x', rate=0)}",
    ),
    "a dict's probability": (
        f"{HEAD}- kind: Poisson\n  name: shop\n  rate: 1\n  to:\n    a: 0.5\n    b: half\n",
        f", line 6: {said(ml.Poisson, name='shop', rate=1, to={'a': 0.5, 'b': 'half'})}",
    ),
    "fields that do not fit": (
        f"{HEAD}- kind: Queue\n  name: q\n  overflow: block\n",
        f", line 3: {said(ml.Queue, name='q', overflow='block')}",
    ),
    "two parts of a name": (
        f"{HEAD}{SHOP}- kind: Queue\n  name: shop\n",
        ", line 4: Queue 'shop', name: the part on line 3 is called 'shop' too; every name must be "
        "unique",
    ),
    "a field twice": (
        f"{HEAD}- kind: Queue\n  name: q\n  ttl: 1\n  ttl: 1\n",
        ", line 6: Queue: 'ttl' is given twice, first on line 5",
    ),
    "a destination twice": (
        f"{HEAD}- kind: Poisson\n  name: shop\n  to: {{a: 0.5, a: 0.5}}\n  rate: 1\n",
        ", line 5: Poisson 'shop', to: 'a' is given twice, first on line 5",
    ),
    "parts twice": (
        f"{HEAD}{SHOP}parts: []\n",
        ", line 4: 'parts' is given twice, first on line 2",
    ),
    "a list as a key": (
        f"{HEAD}- kind: Poisson\n  name: shop\n  to: {{? [a] : 1.0}}\n",
        ", line 5: Poisson 'shop', to: a key must be a plain value",
    ),
    "a tag that runs code": (
        f"{HEAD}- kind: Queue\n  name: !!python/object/apply:os.system [touch pwned]\n",
        ", line 4: has the tag !!python/object/apply:os.system; only plain values are read",
    ),
    "a tag of the user's": (
        f"{HEAD}- !Queue\n  name: q\n",
        ", line 3: has the tag !Queue; only plain values are read",
    ),
    "a plain tag": (
        f"{HEAD}- kind: Queue\n  name: !!str 7\n",
        ", line 4: has the tag !!str; only plain values are read",
    ),
    "an alias": (
        f"{HEAD}- {{kind: Queue, name: &q inbox}}\n- kind: Handler\n  source: *q\n",
        ", line 5: has the alias *q; write the value again instead",
    ),
    "a merge key": (
        f"{HEAD}- kind: Queue\n  <<: {{name: q}}\n",
        ", line 4: Queue: there is no field '<<'; there are: discipline, capacity, overflow, ttl, "
        "name",
    ),
    "an open list": (
        f"{HEAD}- {{kind: Queue, name: [a, b\n",
        ", line 4: is not YAML: while parsing a flow sequence expected ',' or ']', but got "
        "'<stream end>' (column 1)",
    ),
    "a tab": (
        "mesh_lab: 1\nparts:\n\t- kind: Queue\n",
        ", line 3: is not YAML: while scanning for the next token found character '\\t' that "
        "cannot start any token (column 1)",
    ),
    "two documents": (
        "mesh_lab: 1\nparts: []\n---\nmesh_lab: 1\n",
        ", line 3: is not YAML: expected a single document in the stream but found another "
        "document (column 1)",
    ),
    "a control character": (
        f"{HEAD}- kind: \x07\n",
        ", line 3: holds the character U+0007, which YAML has not",
    ),
    "too deep": (f"{HEAD}" + "-\n" + "  [\n" * 100_000, ": is nested too deeply"),
    "too many digits": (
        f"{HEAD}- kind: Queue\n  capacity: 1{'0' * 5000}\n",
        ", line 4: has a number of too many digits",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text, message = WRONG[case]
    Path("shop.yaml").write_text(text)
    for given_as, origin in (("shop.yaml", "shop.yaml"), (text, "scenario text")):
        with pytest.raises(ml.ScenarioFileError) as caught:
            ml.Scenario.from_yaml(given_as)
        assert str(caught.value) == f"{origin}{message}"
    assert os.listdir() == ["shop.yaml"]


def test_what_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    cases = {
        b"": ": is empty, but must begin with 'mesh_lab: 1'",
        b"mesh_lab: 1\nparts:\n- \xff\xfe\x00": ", line 3: holds the byte 0xff, but must be UTF-8",
        b"\x89PNG\r\n\x1a\n": ", line 1: holds the byte 0x89, but must be UTF-8",
        b"PAR1\x00\x01": ", line 1: holds the character U+0000, which YAML has not",
    }
    for data, message in cases.items():
        path.write_bytes(data)
        with pytest.raises(ml.ScenarioFileError) as caught:
            files.load(path)
        assert str(caught.value) == f"{path}{message}"
    with pytest.raises(ml.ScenarioFileError) as caught:
        files.load("no such file.yaml")
    assert str(caught.value) == "no such file.yaml: cannot be read: No such file or directory"
    with pytest.raises(ml.ScenarioFileError, match="scenario text: is empty"):
        files.load("")
    with pytest.raises(ml.ScenarioFileError, match="cannot be read: Is a directory"):
        files.load(tmp_path)
