"""The HTML report: everything a ticket needs is in it, nothing of others becomes markup, and it fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safe_reinit.cli.app import run
from safe_reinit.model import Call, Failure, Finding, Phase, Report
from safe_reinit.model.letters import printable
from safe_reinit.report import report_lines, to_json
from safe_reinit.report.html import to_html
from safe_reinit.report.html.timeline import Axis
from safe_reinit.report.text import EVIDENCE, NO_ERASURE
from tests.fleets import a_job, a_report, after
from tests.report.test_report import HOSTILE, every_kind, hostile
from tests.values import NOW

ALL = ("done", "failed", "unknown", "not-restarted", "stranded", "refused")
FLEET_SIZE = 25
"""So many jobs that the looks are counted and what went well is folded."""


def every_outcome() -> Report:
    """Return a report with a job of each outcome."""
    return a_report(*(a_job(n, outcome, n) for n, outcome in enumerate(ALL, 1)))  # type: ignore[arg-type]


def tree(page: str) -> ElementTree.Element:
    """Read a page as XML, which allows no tag left open and no attribute without quotes."""
    doctype, _, rest = page.partition("\n")
    assert doctype == "<!DOCTYPE html>"
    return ElementTree.fromstring(rest)


def text_of(page: str) -> str:
    """Return what a reader may see of a page, folded or not."""
    return "".join(tree(page).find("body").itertext())  # type: ignore[union-attr]


def of_class(page: str, tag: str, name: str) -> list[ElementTree.Element]:
    """Find the elements of a class."""
    return [each for each in tree(page).iter(tag) if name in each.get("class", "").split()]


PAGES = {
    **every_kind(),
    "every outcome": every_outcome(),
    "many": a_report(*(a_job(n) for n in range(FLEET_SIZE))),
    "hostile": hostile("<b>&\"'")[1],
}


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_is_well_formed(kind: str) -> None:
    """A report of any kind is a page in English, with a title, one main heading, and no element left open."""
    page = to_html(PAGES[kind])
    root = tree(page)

    assert root.get("lang") == "en"
    assert PAGES[kind].outcome in root.findtext("head/title", "")
    assert [heading.tag for heading in root.iter("h1")] == ["h1"]
    assert all(th.get("scope") in ("col", "row") for th in root.iter("th"))
    ids = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    assert "<br" not in text_of(to_html(PAGES[kind]))


def leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """List the values of a JSON document, each with where it stands."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from leaves(value, f"{path}.{name}")
    elif isinstance(data, list):
        for value in data:
            yield from leaves(value, path)
    else:
        yield path, data


def test_every_member_of_the_report_is_in_the_page() -> None:
    """Whatever the JSON report says is on the page too: ids, names, times, RequestIds, codes, findings, commands."""
    result = every_outcome()
    shown = text_of(to_html(result))

    for path, value in leaves(to_json(result)):
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
            value = value[:16].replace("T", " ")  # noqa: PLW2901
        elif path == ".jobs.disks.evidence" and value:
            value = EVIDENCE[value].format(noun="wipe")  # noqa: PLW2901
        elif path == ".jobs.disks.data":
            value = {"reinitialised": "wiped"}.get(value, value)  # noqa: PLW2901 - the word for people
        elif path == ".calls.attempt":
            value = "attempt 2"  # noqa: PLW2901
        elif isinstance(value, bool) or value is None:
            continue
        assert str(value) in shown, f"{path}: {value}"


def test_the_word_stands_beside_the_colour() -> None:
    """Each job's card has its outcome in words in its heading, so that nobody needs to see red and green."""
    headings = ["".join(each.itertext()) for each in tree(to_html(every_outcome())).iter("h3")]

    for outcome, number in zip(ALL, range(1, 7), strict=True):
        assert any(f"lab-{number:04}" in each and outcome in each for each in headings)


def test_what_needs_somebody_comes_first() -> None:
    """The counts and the rows of the overview start with the worst outcome; what went well comes last."""
    page = to_html(a_report(a_job(1), a_job(2, "failed"), a_job(3, "unknown"), a_job(4)))
    rows = ["".join(row.itertext()) for row in of_class(page, "table", "overview")[0].iter("tr")][1:]
    counts = [
        [cell.text or "".join(cell.itertext()) for cell in row]
        for row in of_class(page, "table", "counts")[0].iter("tr")
    ]

    assert [row[:8] for row in rows] == ["lab-0003", "lab-0002", "lab-0001", "lab-0004"]
    assert counts[1:] == [
        ["unknown", "1", "1", "0", "0", "0", "1"],
        ["failed", "1", "1", "0", "1", "0", "0"],
        ["done", "2", "2", "2", "0", "0", "0"],
        ["all", "4", "4", "2", "1", "0", "1"],
    ]


def alike(page: str) -> list[str]:
    """Return what the page says of each group of instances that are alike."""
    return ["".join(each.itertext()) for each in of_class(page, "details", "alike")]


def test_of_many_what_went_well_is_folded() -> None:
    """Over 20 jobs the card of one that is done is folded, and the first that failed are open."""
    page = to_html(a_report(*(a_job(n) for n in range(FLEET_SIZE)), a_job(99, "failed")))
    cards = {card.get("id"): card.find("details") for card in tree(page).iter("article")}
    groups = of_class(page, "details", "alike")

    assert [name for name, inside in cards.items() if inside is not None and "open" in inside.attrib] == ["j1"]
    assert len(cards) == FLEET_SIZE + 1
    assert ["open" in group.attrib for group in groups] == [True, False]
    assert "7 more reads" in text_of(page)


def test_instances_to_which_the_same_happened_share_a_row() -> None:
    """Of many, those with one outcome for one reason are one group that names each with its disk; others are not."""
    failed = [a_job(n, "failed") for n in range(30, 40)]
    same = [
        replace(job, error=Failure("NoStock", f"{job.instance_id} was refused.", hint=f"Ask for {job.instance_name}."))
        for job in failed
    ]
    groups = alike(to_html(a_report(*(a_job(n) for n in range(FLEET_SIZE)), *same, a_job(99, "failed"))))

    assert [re.search(r"[\d,]+ instances?", each)[0] for each in groups] == [
        "10 instances",
        "1 instance",
        "25 instances",
    ]  # type: ignore[index]
    assert "lab-0030, for example: i-bp000030 was refused." in groups[0]
    assert all(f"lab-00{n} i-bp0000{n} d-bp0000{n} snapshot s-safe0000{n}" in groups[0] for n in range(30, 40))
    assert "Message 99." in groups[1]


def test_many_findings_of_a_check_show_once_what_they_have_in_common() -> None:
    """Over 10 findings of a check are one text with all subjects; what each says by itself is folded below."""
    page = to_html(a_report(*(a_job(n) for n in range(FLEET_SIZE))))
    (subjects, *_) = of_class(page, "ul", "subjects")

    assert len(list(subjects.iter("li"))) == FLEET_SIZE
    assert text_of(page).count("Each by itself") == 3
    assert text_of(page).count("Take one.") == FLEET_SIZE + 1


def test_every_link_leads_to_a_card() -> None:
    """Links lead nowhere but into the page itself."""
    page = to_html(every_outcome())
    ids = {each.get("id") for each in tree(page).iter() if each.get("id")}
    links = {each.get("href", "") for each in tree(page).iter("a")}

    assert links
    assert {link.removeprefix("#") for link in links} <= ids


def test_a_dry_run_is_marked() -> None:
    """A dry run's StopInstance says so and a real one does not; a page of a dry run says that it is one."""
    calls = (Call(NOW, "StopInstance", ("i-1",), True, 400, "R", "DryRunOperation"),
             Call(NOW, "StartInstance", ("i-1",), False, 200, "R", "OK"))  # fmt: skip
    page = to_html(a_report(a_job(1), calls=calls))
    rows = ["".join(row.itertext()) for row in of_class(page, "table", "calls")[0].iter("tr")]

    assert "StopInstance dry run" in rows[1]
    assert "dry run" not in rows[2]
    assert "Dry run" in text_of(to_html(every_kind()["a dry run"]))
    assert "Dry run" not in text_of(page)


def test_an_accepted_risk_is_reported_as_accepted() -> None:
    """A risk that the person accepted is marked; one that refused the run is not."""
    accepted = a_report(a_job(1))
    job = accepted.jobs[0]
    refused = replace(accepted, jobs=(replace(job, disks=(replace(job.disks[0], waivers=()),)),))
    summary = "risk no-recent-snapshot 1 subject"

    assert f"{summary} accepted" in text_of(to_html(accepted))
    assert summary in text_of(to_html(refused))
    assert f"{summary} accepted" not in text_of(to_html(refused))


def test_a_block_is_never_reported_as_accepted() -> None:
    """A check that blocks one disk and is an accepted risk of the same instance is accepted as the risk only."""
    result = a_report(a_job(1))
    blocked = replace(result.findings[2], check="no-recent-snapshot")
    shown = text_of(to_html(replace(result, findings=(blocked, result.findings[1]))))

    assert "risk no-recent-snapshot 1 subject accepted" in shown
    assert "block no-recent-snapshot 1 subject accepted" not in shown


def test_a_broken_promise_of_power_is_reported() -> None:
    """Where the power is not as promised the card says so, and only there."""
    assert "not as planned" in text_of(to_html(a_report(a_job(1, "stranded"))))
    assert "not as planned" not in text_of(to_html(a_report(a_job(1))))


@pytest.mark.parametrize(
    ("outcome", "power", "broken"),
    [
        ("done", "Running", False),
        ("refused", "Stopped", False),
        ("failed", "Stopped", False),
        ("stranded", "Stopped", True),
        ("not-restarted", "", True),
        ("partial", "Running", False),
        ("partial", "Stopped", True),
        ("unknown", "Stopped", True),
    ],
)
def test_every_form_of_the_report_says_the_same_of_the_power(outcome: str, power: str, broken: bool) -> None:
    """Few machines, many and the page agree on whether a promise was broken; what a run left alone it broke none of."""
    job = replace(a_job(1, outcome), power_after=power)  # type: ignore[arg-type]
    some, many = a_report(job), a_report(job, *(a_job(number) for number in range(2, 9)))

    assert any("should be" in line.text for line in report_lines(some)) is broken
    assert any("should be" in line.text for line in report_lines(many)) is broken
    assert (">not as planned<" in to_html(some)) is broken


def test_the_page_says_that_this_is_no_erasure() -> None:
    """A page of a wipe, done or planned, says once what ReInitDisk is not; one of an undo speaks of rolling back."""
    undo = a_report(a_job(1), calls=(Call(NOW, "ResetDisk", ("d-1",), False, 200, "R", "OK"),))

    assert text_of(to_html(a_report(a_job(1)))).count(NO_ERASURE) == 1
    assert text_of(to_html(every_kind()["a dry run"])).count(NO_ERASURE) == 1
    assert NO_ERASURE not in text_of(to_html(undo))
    assert "1 rolled back" in text_of(to_html(undo))


@pytest.mark.parametrize("count", [1, FLEET_SIZE])
def test_the_page_says_which_snapshots_keep_the_old_data(count: int) -> None:
    """Of each disk that was wiped it is told which snapshots of it are left."""
    report = a_report(*(a_job(n) for n in range(count)))
    kept = tuple(
        Finding("kept-snapshots", "info", job.disks[0].disk_id, f"s-{n} keeps it.", "Delete it.")
        for n, job in enumerate(report.jobs)
    )
    left = next(
        each for each in tree(to_html(replace(report, findings=kept))).iter("section") if each.get("id") == "left"
    )
    items = ["".join(item.itertext()) for item in left.iter("li")]

    taken = [disk.safety_snapshot for job in report.jobs for disk in job.disks]
    assert items == [
        f"{found.subject}: All of its old data is in the safety snapshot {name}."
        for found, name in zip(kept, taken, strict=True)
    ]


# The timeline.


def bars(page: str) -> list[list[tuple[str, float, float]]]:
    """Return the bars of each row: what it is, where it begins and how wide it is, in per cent."""
    rows = of_class(page, "table", "timeline")[0].find("tbody")
    assert rows is not None
    return [
        [(bar.get("class", ""), _percent(bar, "x"), _percent(bar, "width")) for bar in row.iter("rect")] for row in rows
    ]


def _percent(bar: ElementTree.Element, name: str) -> float:
    return float(bar.get(name, "").removesuffix("%"))


def test_the_bars_are_as_long_as_the_phases() -> None:
    """A bar begins and ends where its phase does on the axis of the whole run, and the phases add up to the row."""
    report = a_report(a_job(1, "done", 0), a_job(2, "done", 205))
    first, second = bars(to_html(report))
    names = ["wait-snapshot", "stop", "snapshot", "reinit", "start"]

    assert [name for name, _, _ in first] == names
    assert [width for _, _, width in first] == pytest.approx(
        [seconds / 410 * 100 for seconds in (10, 30, 60, 60, 45)], abs=0.02
    )
    assert sum(width for _, _, width in first) == pytest.approx(50, abs=0.05)
    assert all(a + width == pytest.approx(b, abs=0.02) for (_, a, width), (_, b, _) in pairwise(first + second))


def test_a_phase_that_did_not_end_well_has_a_pattern_and_a_word() -> None:
    """A bar that was refused, timed out or is unknown has its pattern over it, defined in the page, and a title."""
    page = to_html(every_outcome())
    found = [name for row in bars(page) for name, _, _ in row]
    patterns = {each.get("id") for each in tree(page).iter("pattern")}
    titles = ["".join(each.itertext()) for each in of_class(page, "table", "timeline")[0].iter("title")]

    for result in ("refused", "timeout", "unknown"):
        assert result in found
        assert result in patterns
        assert any(title.endswith(f": {result}") for title in titles)
    assert any("its end was not seen: unknown" in title for title in titles)


def test_a_phase_that_nobody_saw_end_lasts_to_the_end_of_the_run() -> None:
    """Its bar reaches the right edge, since the run ended before the phase did."""
    ((*_, (_, left, width)),) = bars(to_html(a_report(a_job(1, "unknown"), ended_at=after(100))))

    assert left + width == pytest.approx(100, abs=0.02)


def test_jobs_without_phases_are_counted() -> None:
    """A job that was refused before anything began has no row, and the page says how many there are."""
    page = to_html(a_report(a_job(1), a_job(2, "refused")))

    assert len(bars(page)) == 1
    assert "Without a bar: 1 instance" in text_of(page)
    assert not of_class(to_html(a_report(a_job(1, "refused"))), "table", "timeline")


@settings(max_examples=200)
@given(st.integers(0, 40 * 86400), st.integers(0, 86400))
def test_any_axis_has_one_to_eight_round_marks(seconds: int, begin: int) -> None:
    """However long a run took, the axis has one to eight marks, in order and within it."""
    start = NOW + timedelta(seconds=begin)
    axis = Axis.of([Phase("stop", start, start + timedelta(seconds=seconds))], start)
    marks = list(axis.marks())

    assert 1 <= len(marks) <= 8
    assert all(0 <= axis.at(mark) <= 100 for mark in marks)
    assert all(mark.timestamp() % axis.step == 0 for mark in marks)


def test_every_bar_is_within_its_row() -> None:
    """A phase of no length at the very end is seen, and nothing sticks out of the axis."""
    job = replace(a_job(1), phases=(Phase("stop", NOW, after(900)), Phase("start", after(900), after(900))))

    for _, left, width in bars(to_html(a_report(job)))[0]:
        assert width > 0
        assert left + width <= 100.01


def test_a_page_of_a_thousand_machines_is_of_reasonable_size() -> None:
    """A page grows with its jobs by no more than 6 kB each, all phases, calls and findings included."""
    page = to_html(a_report(*(a_job(n, "done", n) for n in range(1000))))

    assert len(page) < 6_000_000
    assert len(bars(page)) == 1000


# Others' words, and the outside.


def skeleton(page: str) -> list[str]:
    """List the elements of a page with the names of their attributes."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append(f"{tag} {' '.join(name for name, _ in attrs)}")

    Reader().feed(page)
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_becomes_html(name: str) -> None:
    """A page has the same elements whatever things are called, and shows the name as it is, made printable."""
    page = to_html(hostile(name)[1])

    assert skeleton(page) == skeleton(to_html(hostile("tame")[1]))
    assert printable(name) in text_of(page)


@settings(max_examples=100)
@given(st.text(min_size=1, max_size=30))
def test_no_name_at_all_breaks_the_page(name: str) -> None:
    """Any text whatever as a name leaves the page well-formed, and it can be written as UTF-8."""
    page = to_html(hostile(f"a{name}z")[1])

    page.encode("utf-8")
    assert f"a{printable(name)}z" in text_of(page)


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_asks_for_nothing(kind: str) -> None:
    """No script, link, picture, frame, font or address of anything outside; the page's own policy forbids them all."""
    page = to_html(PAGES[kind])
    elements = {each.tag for each in tree(page).iter()}
    attributes = {name for each in tree(page).iter() for name in each.attrib}
    policy = next(each for each in tree(page).iter("meta") if each.get("http-equiv") == "Content-Security-Policy")

    assert not elements & {
        "script",
        "link",
        "img",
        "image",
        "iframe",
        "object",
        "embed",
        "video",
        "form",
        "base",
        "use",
    }
    assert not attributes & {"src", "srcset", "action", "data", "poster", "background"}
    assert not [name for name in attributes if name.startswith("on")]
    assert policy.get("content") == "default-src 'none'; style-src 'unsafe-inline'"
    assert not re.search(r"https?://|@import|@font-face|url\((?!#)", page)


# Through the command line.


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("argv", "code", "word"),
    [
        (("--disk", "d-sim-web1-data", "--stop-instance", "--confirm", "d-sim-web1-data"), 0, "done"),
        (("--disk", "d-sim-web1-data", "--stop-instance", "--dry-run"), 0, "planned"),
        (("--disk", "d-sim-disk-locked", "--confirm", "d-sim-disk-locked"), 3, "refused"),
    ],
)
def test_a_report_file_that_ends_in_html_is_the_page(here: Path, argv: tuple[str, ...], code: int, word: str) -> None:
    """--report run.html writes the page, of a run that is done, of a dry run and of a refusal alike."""
    ended = run([*argv, "--report", str(here / "run.html"), "--reason", "CHG-<1>"])
    page = (here / "run.html").read_text("utf-8")

    assert ended == code
    assert f"safe-reinit: {word}" in tree(page).findtext("head/title", "")
    assert "CHG-<1>" in text_of(page)
    assert argv[1] in text_of(page)
