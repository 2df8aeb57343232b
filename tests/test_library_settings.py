"""The library: settings as arguments and as a value, and errors in the words of a program."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import safe_reinit
from safe_reinit.errors import Error, UsageError
from tests.cloudlike import DATA, client, simulated

pytestmark = pytest.mark.virtual_time


def planned(**more: Any) -> safe_reinit.Plan:
    """Make a plan with these arguments of ``connect``."""
    with simulated() as sim:
        return client(sim, **more).plan([DATA], stop_instance=True)


def test_a_setting_is_an_argument_or_part_of_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument counts instead of the environment, and that instead of the configuration given as a value."""
    monkeypatch.setenv("SAFE_REINIT_TIMEOUT_START", "3m")
    monkeypatch.setenv("SAFE_REINIT_TIMEOUT_STOP", "3m")
    config: safe_reinit.Config = {
        "timeout_stop": "2m", "timeout_start": "2m", "timeout_reinit": timedelta(minutes=2), "waves": (5, "25%"),
    }  # fmt: skip
    plan = planned(config=config, timeout_stop=timedelta(minutes=4), lock_tag=True)

    assert (plan.limits.stop, plan.limits.start, plan.limits.reinit) == (240.0, 180.0, 120.0)
    assert plan.rollout.waves == ((5, False), (25, True))
    assert plan.options.lock_tag


def test_no_argument_raises_a_limit_of_the_configuration(tmp_path: Path) -> None:
    """What the file limits stays limited, whatever a program says."""
    file = tmp_path / "config.yaml"
    file.write_text("max_parallel: 2\n", "utf-8")

    assert planned(config=file, max_parallel=50).rollout.max_parallel == 2
    assert planned(config={"max_parallel": 2}, max_parallel=50).rollout.max_parallel == 2


def test_a_value_protects_as_a_file_does() -> None:
    """The target rules of a configuration that is given as a value refuse the plan."""
    plan = planned(config={"protect": {"disks": [DATA]}})

    assert [finding.check for finding in plan.blockers] == ["target-protected"]


@pytest.mark.parametrize("name", ["regoin", "protect", "allow", "classes", "may_be_raised", "hold", "output"])
def test_what_is_no_argument_is_refused(name: str) -> None:
    """A misspelt setting, one of the commands, and a rule for all runs are no arguments."""
    more: dict[str, Any] = {name: {}}
    with pytest.raises(TypeError, match=name):
        safe_reinit.connect(region="cn-hangzhou", **more)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"timeout_stop": "soon"}, "The value of timeout_stop= is not a duration such as 90s, 10m or 2h: 'soon'."),
        ({"region": "hangzhou"}, "The value of region= is not a region id such as cn-hangzhou: 'hangzhou'."),
        ({"config": {"timeout_stop": 90}}, "config: timeout_stop: not a duration such as 90s, 10m or 2h: 90."),
        ({"config": {"timeout_stp": "5m"}}, "config: timeout_stp is not a setting (did you mean timeout_stop?)."),
        ({"config": {"protect": {"disk": []}}}, "config: At protect"),
        ({"config": 5}, "config is neither a file nor a dict of settings."),
    ],
)
def test_an_error_names_the_argument(more: dict[str, Any], text: str) -> None:
    """What is wrong with a setting is said in the words of a program, and no option is named."""
    with pytest.raises(UsageError) as caught:
        safe_reinit.connect(**{"region": "cn-hangzhou", **more})

    assert text in str(caught.value)
    assert "--" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("ids", "more", "text"),
    [
        (DATA, {}, "disk_ids is a string, not a list of disk ids."),
        ([], {}, "No disk given."),
        (["s-1"], {}, "'s-1' is not a disk id: those begin with d-."),
        ([5], {}, "disk_ids is not a list of disk ids."),
        ([DATA], {"once": "a key"}, "The key of once"),
        ([DATA], {"max_disks": 0}, "max_disks is not a number of disks."),
    ],
)
def test_an_error_of_a_plan_names_no_option(ids: Any, more: dict[str, Any], text: str) -> None:
    """What is wrong with an argument of ``plan`` is one plain sentence without an option of the command line."""
    with simulated() as sim, pytest.raises(Error) as caught:
        client(sim).plan(ids, **more)

    assert str(caught.value).startswith(text)
    assert "--" not in f"{caught.value} {caught.value.hint}"
