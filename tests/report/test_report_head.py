"""What a document says first: which disk on which machine, that it is not real, and what to do now."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from safe_reinit.model import Call, Failure, JobReport, Report
from safe_reinit.report import to_markdown
from safe_reinit.report.html import to_html
from tests.fleets import a_job, a_report
from tests.report.test_report_html import tree
from tests.values import NOW


@pytest.mark.parametrize(
    ("jobs", "named"),
    [
        ((a_job(1),), "d-bp000001 on lab-0001 (i-bp000001)"),
        ((replace(a_job(1), instance_name=""),), "d-bp000001 on i-bp000001"),
        ((replace(a_job(1), disks=a_job(1).disks * 3),), "d-bp000001, d-bp000001 and 1 more on lab-0001 (i-bp000001)"),
        (tuple(a_job(n) for n in range(4)), "4 disks on 4 instances: lab-0000, lab-0001 and 2 more"),
    ],
)
def test_title_and_head_name_the_disk_and_the_machine(jobs: tuple[JobReport, ...], named: str) -> None:
    """The title of the window, the main heading and the heading of the Markdown say which disk on which machine."""
    report = a_report(*jobs)
    root = tree(to_html(report))

    assert root.findtext("head/title") == f"safe-reinit: done, {named}, r-20260102T030405Z-4f2a"
    assert "".join(next(root.iter("h1")).itertext()) == f"done{named}"
    assert to_markdown(report).replace("\\", "").startswith(f"# safe-reinit: done, {named}, r-")


def what_now(report: Report) -> str:
    """Return what the part says that comes first, the same in HTML and in Markdown."""
    (section,) = [each for each in tree(to_html(report)).iter("section") if each.get("id") == "next"]
    words = "".join(section.itertext()).removeprefix("What to do next")
    written = to_markdown(report).replace("\\", "").partition("## What to do next")[2].partition("\n##")[0]
    assert re.sub(r"(?<=-\d\d)T(?=\d\d:)|\s", "", written) == "".join(words.split())
    return words


def test_an_unknown_outcome_says_what_to_do() -> None:
    """Exit 5 says not to start the machine, which event to ask ActionTrail for, and what each verdict is for."""
    resume = "safe-reinit resume r-20260102T030405Z-4f2a"
    text = what_now(a_report(a_job(1, "unknown"), next=(resume, f"{resume} --verdict intact")))

    assert text.startswith("Do not start lab-0001, and do not send ReInitDisk for d-bp000001 yourself.")
    assert "ActionTrail for the event ReInitDisk of d-bp000001 between 2026-01-02 03:04:35Z and 2026-01-02" in text
    assert text.index("First let the run check again") < text.index(resume)
    assert (
        f"If ActionTrail shows that ECS refused it or never received it (this starts the machine):{resume} --verdict"
        in text
    )


def test_an_unknown_undo_asks_for_its_own_call() -> None:
    """Of an undo the event is ResetDisk; without a run to resume no verdict is spoken of."""
    calls = (Call(NOW, "ResetDisk", ("d-1",), False, 200, "R", "OK"),)
    text = what_now(a_report(a_job(1, "unknown"), calls=calls, next=()))

    assert "Search ActionTrail for the event ResetDisk" in text
    assert "verdict" not in text
    assert "ReInitDisk" not in text


@pytest.mark.parametrize("outcome", ["stranded", "not-restarted"])
def test_a_machine_that_is_down_is_named_with_what_brings_it_back(outcome: str) -> None:
    """Exits 6 and 8 name the machine, its power and what was promised, and say that resume wipes nothing."""
    text = what_now(a_report(a_job(1, outcome)))  # type: ignore[arg-type]
    power = {"stranded": "Stopping", "not-restarted": "Starting"}[outcome]

    assert text.startswith(f"Instance lab-0001 (i-bp000001) is {power}, but should be Running.")
    assert "resume restores the power state and wipes nothing." in text
    assert "resume" not in what_now(a_report(a_job(1, outcome), next=()))  # type: ignore[arg-type]


def test_a_run_that_is_not_real_is_marked_across_the_page() -> None:
    """The style of a simulated run writes its word across the page; that of no other has it."""
    marked, real = (to_html(a_report(a_job(1), simulated=simulated)) for simulated in (True, False))

    assert 'content:"SIMULATED"' in marked
    assert "SIMULATED" not in real


def test_what_went_wrong_on_several_machines_is_grouped_at_the_top() -> None:
    """Not only the first error stands there: each is there once, with how many machines it is of and two of them."""
    stock = Failure("OperationDenied.NoStock", "The zone has no stock.", hint="Try later.")
    jobs = [replace(a_job(n, "not-restarted"), error=stock) for n in range(3)]
    jobs += [replace(a_job(n, "failed"), error=Failure("X", f"ECS refused d-bp00000{n}.")) for n in range(3, 5)]
    report = a_report(a_job(9), *jobs, error=jobs[0].error)
    (box,) = tree(to_html(report)).iter("header")
    (failure,) = [each for each in box.iter("div") if each.get("class") == "failure"]
    texts = ["".join(each.itertext()) for each in failure.iter("li")]

    assert texts == [
        "3 instances (lab-0000, lab-0001 and 1 more): The zone has no stock. Try later.",
        "2 instances (lab-0003, lab-0004): ECS refused ....",
    ]
    markdown = to_markdown(report).replace("\\", "")
    assert "- Error of 3 instances: The zone has no stock. Try later.\n" in markdown
    assert "- Error of 2 instances: ECS refused ....\n" in markdown
    assert "- Error: " not in markdown


def test_many_different_errors_do_not_fill_the_top() -> None:
    """The most frequent ones stand there; of the others only how many machines they are of."""
    jobs = [replace(a_job(n, "failed"), error=Failure(f"Code{n}", f"Reason {n}.")) for n in range(9)]
    root = tree(to_html(a_report(*jobs, error=Failure(None, "The run itself broke."))))
    own, failure = [each for each in next(root.iter("header")).iter("div") if each.get("class") == "failure"]
    texts = ["".join(each.itertext()) for each in failure.iter("li")]

    assert "".join(own.itertext()) == "The run itself broke."
    assert len(texts) == 6
    assert texts[-1] == "4 instances: other errors, listed with each of them below."


def test_the_value_for_confirm_stands_with_the_command() -> None:
    """A plan shows it after what would be lost, right before the command; of a run that is over nobody needs it."""
    command = "safe-reinit --disk d-bp000001 --confirm d-bp000001"
    planned = a_report(a_job(1, "planned"), next=(command,))
    sections = [each.get("id") for each in tree(to_html(planned)).iter("section")]

    assert sections.index("about") < sections.index("instances") < sections.index("next") < sections.index("findings")
    assert planned.plan is not None
    text = "This overwrites 1 disk, as listed above. The value for --confirm, which is the consent to that: "
    assert what_now(planned).startswith(f"{text}{planned.plan.confirm_with}{command}")
    for document in (to_html(a_report(a_job(1))), to_markdown(a_report(a_job(1)))):
        assert "value for --confirm" not in document.lower()
