"""docs/simulator.md and the two schemas say what is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from safe_reinit.simulator import account_actions, faults, world
from safe_reinit.simulator.__main__ import _parser
from safe_reinit.simulator.actions import ACTIONS
from safe_reinit.simulator.console import VERBS, CannotDo, check
from safe_reinit.simulator.specs import AccountSpec

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = (DOCS / "simulator.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("path", "schema"), [("world.schema.json", world.schema()), ("faults.schema.json", faults.fault_schema())]
)
def test_the_schemas_are_what_the_code_reads(path: str, schema: dict[str, Any]) -> None:
    """Each schema is up to date; else write what its module's schema() gives with json.dumps(..., indent=2)."""
    assert (DOCS / path).read_text("utf-8") == json.dumps(schema, indent=2) + "\n"


def test_a_schema_is_fit_for_people() -> None:
    """Times have texts for defaults, things may be empty, and each member that needs it is described."""
    made = world.schema()
    disk = made["$defs"]["DiskSpec"]["properties"]
    assert disk["created"] == {"default": "-720h", "description": disk["created"]["description"], "type": "string"}
    assert {"type": "null"} in made["properties"]["disks"]["additionalProperties"]["anyOf"]
    assert "key" in disk["kms"]["description"]


def test_the_guide_names_everything() -> None:
    """Every option, action, request of do, changeable member, kind of fault and fact of an account is in the guide."""
    options = [each for action in _parser()._actions for each in action.option_strings if each.startswith("--")]
    names = [*options, *ACTIONS, *AccountSpec.model_fields, *account_actions._OF_INSTANCES, *account_actions._OF_DISKS]
    missing = {name for name in names if name not in GUIDE} - {"--help"}
    missing |= {name for name in faults.Fault.model_fields if f"`{name}" not in GUIDE}
    missing |= {verb for verb in VERBS if f'{{"{verb}"' not in GUIDE}
    assert missing == set()


def test_each_request_of_the_guide_is_understood() -> None:
    """The requests in the table of the guide are well formed."""
    texts = re.findall(r"`(\{\"[a-z_]+\": [^`]*\})`", GUIDE)
    requests = [json.loads(text) for text in texts if not re.search(r": (\.\.\.|\{\.\.\.\})", text)]
    verbs = {check(request)[0] for request in requests if not {"ok", "error"} & set(request)}
    assert len(verbs) > 15
    with pytest.raises(CannotDo):
        check({"dance": 1})
