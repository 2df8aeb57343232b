"""The HTML report in a real browser: nothing is asked for, nothing complains, it fits a phone, it can be read."""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from safe_reinit.model import Failure
from safe_reinit.report.html import to_html
from tests.browser import CHROMIUM, Browser
from tests.fleets import a_job, a_report
from tests.report.test_report import HOSTILE, hostile
from tests.report.test_report_html import FLEET_SIZE, every_outcome

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian: apt-get install chromium)")

LONG = "w" * 128
PAGES = {
    "one": to_html(a_report(a_job(1))),
    "every outcome": to_html(every_outcome()),
    "many": to_html(a_report(*(a_job(n, "done", n) for n in range(FLEET_SIZE)), a_job(99, "failed"))),
    "long names": to_html(hostile(LONG)[1]),
    "hostile names": to_html(
        hostile("".join(HOSTILE) + "<img src='http://127.0.0.1:9/x'><script>alert(1)</script>")[1]
    ),
}
SIXTY = {
    "done": a_report(*(a_job(n, "done", n) for n in range(60))),
    "planned": a_report(*(replace(a_job(n, "planned"), error=None) for n in range(60)), dry_run=True, run_id=None),
    "refused for one reason": a_report(*(a_job(n, "refused") for n in range(60)), run_id=None),
    "all but three done": a_report(
        *(a_job(n, "done", n) for n in range(57)), a_job(57, "failed"), a_job(58, "unknown"), a_job(59, "stranded")
    ),
}
SIXTY["refused for one reason"] = replace(
    SIXTY["refused for one reason"],
    jobs=tuple(
        replace(job, error=Failure(None, f"{job.instance_id} is protected.", hint="Take the tag off."))
        for job in SIXTY["refused for one reason"].jobs
    ),
)
SIXTY["failed for sixty reasons"] = a_report(
    *(
        replace(
            a_job(n, "failed"),
            error=Failure(
                "OperationDenied", f"ECS refused ReInitDisk of disk {n}: reason {n} of {'a long sentence, ' * 3}{n}.",
                hint=f"Ask Alibaba Cloud support about reason {n}, then check the machine again with --dry-run.",
            ),
        )
        for n in range(60)
    )
)  # fmt: skip
PHONE, DESK = 390, 1200
CONTRASTS = """
(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const back = element => {
    for (; element; element = element.parentElement) {
      const colour = rgb(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("svg")) continue;
    const pair = [light(rgb(getComputedStyle(element).color)), light(back(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${walker.currentNode.data}`);
  }
  for (const bar of document.querySelectorAll(".timeline g")) {
    const pair = [light(rgb(getComputedStyle(bar.querySelector("rect")).fill)), light(back(bar.closest("td")))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 3) poor.push(`${ratio.toFixed(2)} ${bar.textContent}`);
    const word = bar.querySelector("text");
    if (!word) continue;
    const inside = [light(rgb(getComputedStyle(word).fill)), pair[0]];
    const words = (Math.max(...inside) + 0.05) / (Math.min(...inside) + 0.05);
    if (words < 4.5) poor.push(`${words.toFixed(2)} in ${bar.textContent}`);
  }
  return poor;
})()
"""
"""Every text whose colour is too near to what is behind it, by WCAG 2.1: 4.5 for text, 3 for a bar."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start one Chromium for the tests of this file."""
    with Browser(tmp_path_factory.mktemp("chromium")) as started:
        yield started


def write(folder: Path, kind: str) -> str:
    """Write a page to a file; give its address."""
    (folder / "run.html").write_text(PAGES[kind], "utf-8")
    return (folder / "run.html").as_uri()


def colours(png: bytes) -> int:
    """Count the different bytes in the pixels of a picture: a blank one has hardly any."""
    data, at = b"", 8
    while at < len(png):
        length, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        data += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    return len(set(zlib.decompress(data)))


def printed_pages(paper: bytes) -> int:
    """Count the pages of a PDF."""
    return paper.count(b"/Type /Page\n")


def marks(paper: bytes) -> int:
    """Count the pages of a PDF on which something is turned by 30 degrees, as the mark of a simulated run is."""
    found = 0
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", paper, re.S):
        with contextlib.suppress(zlib.error):
            turns = re.findall(rb"([\d.]+) (-?[\d.]+) -?[\d.]+ [\d.]+ -?[\d.]+ -?[\d.]+ cm", zlib.decompress(stream))
            found += any(abs(float(b) / float(a)) == pytest.approx(0.57735, abs=0.001) for a, b in turns if float(a))
    return found


def test_the_browser_would_report_an_error(browser: Browser, tmp_path: Path) -> None:
    """A page that asks for a picture and writes to the console is told on: the other tests would see it."""
    (tmp_path / "bad.html").write_text("<img src='other.png'><script>console.log('x')</script><p>text", "utf-8")

    browser.open((tmp_path / "bad.html").as_uri())

    assert [request.rpartition("/")[2] for request in browser.requests] == ["bad.html", "other.png"]
    assert browser.complaints


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_shows_itself_and_asks_for_nothing(browser: Browser, tmp_path: Path, kind: str) -> None:
    """It is drawn and printed, no request but the one for itself is made, and the console has nothing to say."""
    address = write(tmp_path, kind)

    browser.open(address)
    picture = browser.picture()

    assert colours(picture) > 32
    assert browser.requests == [address]
    assert browser.complaints == []
    paper = browser.paper()
    assert paper.startswith(b"%PDF-")
    assert printed_pages(paper) >= 1


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_is_never_wider_than_the_window(browser: Browser, tmp_path: Path, kind: str) -> None:
    """On a phone and on a desk nobody scrolls sideways, whatever things are called and with everything unfolded."""
    for width in (320, 768, DESK):  # a phone's window grows with a page that is too wide, so each starts anew
        browser.open(write(tmp_path, kind), width=width)
        browser.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

        assert browser.evaluate("document.scrollingElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_text_can_be_read(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    """Each text stands out from what is behind it as WCAG AA asks, in light and in dark."""
    browser.open(write(tmp_path, "every outcome"), width=width, scheme=scheme)
    dark = browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 28)"

    assert browser.evaluate(CONTRASTS) == []
    assert dark == (scheme == "dark")


def test_a_cell_names_its_column_where_columns_do_not_fit(browser: Browser, tmp_path: Path) -> None:
    """On a phone the heads of the tables are gone, and each cell says before itself what it is."""
    browser.open(write(tmp_path, "one"), width=PHONE)
    label = "getComputedStyle(document.querySelector('.calls td:nth-child(5)'), '::before').content"

    assert browser.evaluate(label) == '"RequestId: "'
    assert browser.evaluate("document.querySelector('.calls thead').offsetHeight") == 0


def test_a_link_unfolds_the_card_it_leads_to(browser: Browser, tmp_path: Path) -> None:
    """Of many cards a folded one is seen once a row of the timeline is followed to it."""
    browser.open(write(tmp_path, "many"))
    seen = "document.querySelector('#j9 .disks').checkVisibility({contentVisibilityAuto: true})"
    before = browser.evaluate(seen)
    browser.evaluate("document.querySelector('.timeline a[href=\"#j9\"]').click()")

    assert before is False
    assert browser.evaluate(seen) is True


def test_paper_has_every_machine_of_many_and_no_card(browser: Browser, tmp_path: Path) -> None:
    """In print the folded names of those that went well are there, cards are not, and it is dark on light."""
    browser.open(write(tmp_path, "many"), scheme="dark", medium="print")

    assert browser.evaluate("document.querySelectorAll('.alike')[1].querySelector('a').checkVisibility()") is True
    assert browser.evaluate("document.querySelector('#instances').offsetHeight") == 0
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize(
    "kind",
    ["all but three done", "failed for sixty reasons"]
    + [pytest.param(kind, marks=pytest.mark.slow) for kind in list(SIXTY)[:-2]],
)
def test_sixty_machines_are_printed_on_four_pages(browser: Browser, tmp_path: Path, kind: str) -> None:
    """A run or a plan of 60 machines takes at most four pages of A4, with the name of each machine."""
    (tmp_path / "run.html").write_text(to_html(SIXTY[kind]), "utf-8")
    browser.open((tmp_path / "run.html").as_uri(), medium="print")
    shown = "each => each.checkVisibility({contentVisibilityAuto: true})"

    assert browser.evaluate(f"[...document.querySelectorAll('.alike li')].filter({shown}).length") == 60
    assert printed_pages(browser.paper()) <= 4


@pytest.mark.parametrize("outcome", ["done", "unknown"])
def test_a_phone_shows_disk_and_machine_at_once(browser: Browser, tmp_path: Path, outcome: str) -> None:
    """On the first screen of a phone stand the outcome, the disk and the machine, also of a run that is not real."""
    (tmp_path / "run.html").write_text(to_html(a_report(a_job(1, outcome), simulated=True)), "utf-8")  # type: ignore[arg-type]
    browser.open((tmp_path / "run.html").as_uri(), width=PHONE)
    heading = browser.evaluate("document.querySelector('h1').innerText")

    assert all(word in heading for word in (outcome, "d-bp000001", "lab-0001", "i-bp000001"))
    assert browser.evaluate("document.querySelector('h1').getBoundingClientRect().bottom") < 844


def test_every_printed_page_of_a_simulated_run_is_marked(browser: Browser, tmp_path: Path) -> None:
    """The word lies across the window and across each sheet of paper of such a run, and across no other."""
    many = tuple(a_job(n, "failed", n) for n in range(12))
    found = []
    for simulated in (True, False):
        (tmp_path / "run.html").write_text(to_html(a_report(*many, simulated=simulated)), "utf-8")
        browser.open((tmp_path / "run.html").as_uri())
        shown = browser.evaluate("getComputedStyle(document.body, '::before').content")
        layer = browser.evaluate("getComputedStyle(document.body, '::before').zIndex")
        assert layer == ("-1" if simulated else "auto"), "it is behind the text, which stays readable"
        paper = browser.paper()
        found.append((shown, marks(paper), printed_pages(paper)))
    (shown, marked, pages), (unmarked, none, _) = found

    assert pages > 2
    assert (shown, marked) == ('"SIMULATED"', pages)
    assert (unmarked, none) == ("none", 0)


def test_bars_are_drawn_where_their_times_are(browser: Browser, tmp_path: Path) -> None:
    """A bar on the screen is as wide as its phase took of the whole, within a pixel or two."""
    browser.open(write(tmp_path, "one"))
    widths = browser.evaluate(
        "[...document.querySelectorAll('.timeline g rect')].map(bar =>"
        " bar.getBoundingClientRect().width / bar.ownerSVGElement.getBoundingClientRect().width)"
    )

    assert widths == pytest.approx([seconds / 205 for seconds in (10, 30, 60, 60, 45)], abs=0.01)
