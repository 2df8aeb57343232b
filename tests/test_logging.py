"""What the library writes to the standard logging: by which names, at which levels, and that it imposes nothing."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from safe_reinit import Error, connect
from safe_reinit.clock import Clock
from safe_reinit.simulator import Simulator
from tests import virtual
from tests.values import recoverable

pytestmark = pytest.mark.virtual_time

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "howto" / "python.md").read_text("utf-8")
PARTS = ("plan", "run", "calls", "retry", "journal")


def run_one_disk(simulator: Simulator, disk_id: str = "d-sim-web1-data") -> None:
    """Plan and run one disk on the clock of the simulator."""
    client = connect(region=simulator.region, endpoint=simulator.url, credentials=simulator.access_key, clock=Clock(1))
    plan = client.plan([disk_id], stop_instance=True)
    client.run(plan, confirm=plan.confirm_with)


def logged(caplog: pytest.LogCaptureFixture, part: str) -> list[tuple[str, str]]:
    """List what one part wrote: the level and the text."""
    return [(each.levelname, each.getMessage()) for each in caplog.records if each.name == f"safe_reinit.{part}"]


def test_a_run_is_logged_at_info(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """At INFO a run is its plan, its intentions, its changing calls and its end: no look, no wait."""
    caplog.set_level(logging.INFO, "safe_reinit")
    run_one_disk(simulator)
    calls = [text.split(":")[0] for _, text in logged(caplog, "calls")]

    assert calls == ["StopInstance i-sim-web1", "ReInitDisk d-sim-web1-data", "StartInstance i-sim-web1"]
    assert {level for level, _ in logged(caplog, "calls")} == {"INFO"}
    assert re.fullmatch(r"plan [0-9a-f]{8} of 1 disks on 1 instances can run", logged(caplog, "plan")[0][1])
    assert re.search(r"intend d-sim-web1-data: ReInitDisk", "\n".join(text for _, text in logged(caplog, "run")))
    assert re.fullmatch(r"r-\S+ done i-sim-web1: done", logged(caplog, "run")[-1][1])


def test_reads_and_waits_are_logged_at_debug(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG the looks, the dry runs and the waits are there too, each with its RequestId or its phase."""
    caplog.set_level(logging.DEBUG, "safe_reinit")
    run_one_disk(simulator)
    debug = [text for level, text in logged(caplog, "calls") if level == "DEBUG"]

    assert any(
        re.match(r"DescribeDisks d-sim-web1-data: OK, HTTP 200, attempt 1, RequestId \S+", text) for text in debug
    )
    assert any(text.startswith("StopInstance (DryRun) i-sim-web1: DryRunOperation") for text in debug)
    assert ("DEBUG", "wait") in {(level, text.split()[1]) for level, text in logged(caplog, "run")}
    assert {level for level, text in logged(caplog, "run") if " wait " in text} == {"DEBUG"}


def test_what_goes_wrong_is_logged_at_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A changing call that is refused, and a job that does not end done, are warnings."""
    world = recoverable({"instances": {"i-1": {}}, "disks": {"d-1-sys": {"instance": "i-1", "type": "system"},
                                                             "d-1": {"instance": "i-1"}}})  # fmt: skip
    refusing = {"action": "ReInitDisk", "error": {"code": "OperationDenied"}}
    caplog.set_level(logging.WARNING, "safe_reinit")
    with virtual.simulate(world, [refusing]) as simulator, pytest.raises(Error):
        run_one_disk(simulator, "d-1")

    assert [text.split(",")[0] for _, text in logged(caplog, "calls")] == ["ReInitDisk d-1: OperationDenied"]
    assert [text.partition(" ")[2] for _, text in logged(caplog, "run")] == ["done i-1: failed"]


def test_a_read_that_is_repeated_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A look that is throttled is told with the wait before it is made again."""
    throttled = {"action": "DescribeDisks", "nth": 1, "error": {"code": "Throttling"}}
    caplog.set_level(logging.INFO, "safe_reinit")
    with virtual.simulate(faults=[throttled]) as simulator:
        run_one_disk(simulator)

    assert re.fullmatch(r"DescribeDisks is repeated in \d+\.\d s", logged(caplog, "retry")[0][1])


def test_the_page_names_the_loggers(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """The page's table has every logger and no other, and whoever writes is one of them."""
    caplog.set_level(logging.DEBUG, "safe_reinit")
    run_one_disk(simulator)

    assert re.findall(r"^\| `safe_reinit\.([a-z]+)` \|", PAGE, re.M) == list(PARTS)
    assert {each.name for each in caplog.records if each.name.startswith("safe_reinit")} <= {
        f"safe_reinit.{part}" for part in PARTS
    }


class Broken(logging.Handler):
    """A handler that fails."""

    def emit(self, record: logging.LogRecord) -> None:
        """Fail."""
        raise RuntimeError(record.name)


def test_a_handler_that_fails_ends_nothing(simulator: Simulator) -> None:
    """A program whose handler raises at every line has its run done, and every machine back."""
    broken, ours = Broken(), logging.getLogger("safe_reinit")
    ours.addHandler(broken)
    ours.setLevel(logging.DEBUG)
    try:
        run_one_disk(simulator)
    finally:
        ours.removeHandler(broken)
        ours.setLevel(logging.NOTSET)

    assert simulator.state()["instances"]["i-sim-web1"]["status"] == "Running"
    assert len(simulator.state()["disks"]["d-sim-web1-data"]["wipes"]) == 1


@pytest.mark.real_time
def test_nothing_is_installed_and_nothing_printed() -> None:
    """In a program that set up no logging nothing is printed, no level set, and no handler but a null one added."""
    program = """
import logging
from safe_reinit import Error, connect
from safe_reinit.simulator import Simulator
with Simulator(speed=1, faults=[{"action": "DescribeDisks", "error": {"code": "Forbidden"}}]) as sim:
    try:
        connect(region=sim.region, endpoint=sim.url, credentials=sim.access_key).plan(["d-sim-web1-data"])
    except Error:
        pass
assert logging.getLogger().handlers == [] and logging.getLogger().level == logging.WARNING
for name in ("safe_reinit", "safe_reinit.plan", "safe_reinit.run", "safe_reinit.calls", "safe_reinit.journal"):
    logger = logging.getLogger(name)
    assert logger.level == logging.NOTSET and logger.propagate, name
    assert all(type(each) is logging.NullHandler for each in logger.handlers), name
logging.getLogger("safe_reinit.calls").warning("nobody hears it")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
