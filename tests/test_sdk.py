"""The SDK's models are loaded by their names, and are the SDK's own."""

from __future__ import annotations

import subprocess
import sys

PACKAGE = "alibabacloud_ecs20140526.models"


def out_of(code: str) -> str:
    """Run a few lines in a Python of their own, and give what they print."""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def test_every_model_is_the_sdks_own() -> None:
    """Each class that the SDK's package has is had by its name, and none is missing or another."""
    every = (
        "import safe_reinit.aliyun.sdk as sdk; models = sdk.models\n"
        "print(sorted((name, getattr(models, name).__module__) for name in models.__all__))"
    )
    theirs = (
        f"import {PACKAGE} as models\n"
        "kinds = {name: kind for name, kind in vars(models).items() if isinstance(kind, type)}\n"
        "assert len(kinds) > 1000\n"
        "print(sorted((name, kind.__module__) for name, kind in kinds.items()))"
    )
    assert out_of(every) == out_of(theirs)


def test_only_the_models_that_are_asked_for_are_loaded() -> None:
    """The client and one request are the SDK's own, and a thousand modules are not imported for them."""
    assert (
        out_of(
            "from safe_reinit.aliyun.sdk import EcsClient, models\n"
            "import sys\n"
            "models.ReInitDiskRequest(disk_id='d-1').to_map()\n"
            f"loaded = [name for name in sys.modules if name.startswith('{PACKAGE}.')]\n"
            "print(EcsClient.__module__, loaded)"
        )
        == f"alibabacloud_ecs20140526.client ['{PACKAGE}._re_init_disk_request']"
    )


def test_a_model_that_there_is_not_is_no_attribute() -> None:
    """A name that the SDK does not know is an AttributeError that says so, as of any module."""
    assert "has no attribute 'WipeDiskRequest'" in out_of(
        "from safe_reinit.aliyun.sdk import models\n"
        "try:\n    models.WipeDiskRequest\nexcept AttributeError as error:\n    print(error)"
    )


def test_where_the_package_was_imported_before_it_is_used() -> None:
    """A program that has the SDK's package already keeps it: there is one package, whoever asks."""
    assert (
        out_of(f"import {PACKAGE} as theirs\nfrom safe_reinit.aliyun.sdk import models\nprint(models is theirs)")
        == "True"
    )
