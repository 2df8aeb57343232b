"""docs/howto/terraform.md: what can be read of it is so."""

from __future__ import annotations

import shlex

from tests import blocks
from tests.blocks import ROOT


def test_the_plan_of_the_disks_of_terraform_is_a_command_that_is_taken() -> None:
    """It reads the file that the line before it writes."""
    (block,) = blocks.blocks(ROOT / "docs/howto/terraform.md")
    output, plan = (shlex.split(command) for command, _ in block.commands)

    blocks.parse(plan[1:])
    assert output[-2:] == [">", plan[plan.index("--disks-from") + 1]]
