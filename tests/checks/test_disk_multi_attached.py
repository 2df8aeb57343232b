"""When instances share the disk."""

from __future__ import annotations

from typing import Any

import pytest

from safe_reinit.checks.disk_multi_attached import CHECK
from safe_reinit.model import Attachment
from tests.checks.tools import assert_finds, assert_silent
from tests.values import DISK_ID, a_disk, disk_facts

TWO = (Attachment("i-1", "/dev/xvdb", None), Attachment("i-2", "/dev/xvdb", None))


@pytest.mark.parametrize("setting", ["Disabled", "disabled", ""])
def test_a_disk_that_nobody_shares(setting: str) -> None:
    """Disabled, or not shown, is no finding."""
    assert_silent(CHECK, disk_facts(disk=a_disk(multi_attach=setting)))


def test_a_disk_without_attachments() -> None:
    """A disk that is attached to nothing is not shared."""
    assert_silent(CHECK, disk_facts(disk=a_disk(attachments=(), mount_instance_num=0)))


def test_no_disk() -> None:
    """A disk that was not seen is not judged."""
    assert_silent(CHECK, disk_facts(disk=None))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"multi_attach": "Enabled"}, "is a multi-attach disk"),
        ({"multi_attach": "enabled"}, "is a multi-attach disk"),
        ({"attachments": TWO}, "is attached to 2 instances"),
        ({"mount_instance_num": 3}, "is attached to 3 instances"),
        ({"multi_attach": "", "mount_instance_num": 2}, "is attached to 2 instances"),
        ({"multi_attach": "LegacyShared"}, "undocumented MultiAttach value LegacyShared"),
    ],
)
def test_any_sign_of_sharing_stops(changes: dict[str, Any], words: str) -> None:
    """The setting, the attachments, their number or an unknown word: one finding says which."""
    facts = disk_facts(disk=a_disk(**changes))
    found = assert_finds(CHECK, facts, "block", DISK_ID, "InvalidOperation.MultiAttachDisk")

    assert words in found.message
