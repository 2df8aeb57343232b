"""The HTML report in a real browser: nothing is asked for, nothing complains, it fits a phone, it can be read."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from safe_reinit.report.html import to_html
from tests.browser import CHROMIUM, Browser
from tests.fleets import a_job, a_report
from tests.report.test_report import HOSTILE, hostile
from tests.report.test_report_html import MANY, every_outcome

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian: apt-get install chromium)")

LONG = "w" * 128
PAGES = {
    "one": to_html(a_report(a_job(1))),
    "every outcome": to_html(every_outcome()),
    "many": to_html(a_report(*(a_job(n, "done", n) for n in range(MANY)), a_job(99, "failed"))),
    "long names": to_html(hostile(LONG)[1]),
    "hostile names": to_html(
        hostile("".join(HOSTILE) + "<img src='http://127.0.0.1:9/x'><script>alert(1)</script>")[1]
    ),
}
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


def test_the_browser_would_tell(browser: Browser, tmp_path: Path) -> None:
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
    assert paper.count(b"/Type /Page\n") >= 1


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


def test_paper_has_every_machine_and_no_empty_card(browser: Browser, tmp_path: Path) -> None:
    """In print the folded rows of what went well are there, folded cards are not, and it is dark on light."""
    browser.open(write(tmp_path, "many"), scheme="dark", medium="print")

    assert browser.evaluate("document.querySelector('.printed .overview a').checkVisibility()") is True
    assert browser.evaluate("document.querySelector('#j9').offsetHeight") == 0
    assert browser.evaluate("document.querySelector('#j1').offsetHeight") > 0
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_bars_are_drawn_where_they_are_said_to_be(browser: Browser, tmp_path: Path) -> None:
    """A bar on the screen is as wide as its phase took of the whole, within a pixel or two."""
    browser.open(write(tmp_path, "one"))
    widths = browser.evaluate(
        "[...document.querySelectorAll('.timeline g rect')].map(bar =>"
        " bar.getBoundingClientRect().width / bar.ownerSVGElement.getBoundingClientRect().width)"
    )

    assert widths == pytest.approx([seconds / 205 for seconds in (10, 30, 60, 60, 45)], abs=0.01)
