"""The documentation as it is built: without a warning, and with pages that ask nobody else for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.browser import CHROMIUM, Browser
from tests.shared import made_once

ROOT = Path(__file__).resolve().parent.parent
_ASKS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=["']?(?:https?:)?//[^"' >]+"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*?\bhref=["']?(?:https?:)?//[^"' >]+"""
    r"""|url\(["']?(?:https?:)?//[^)]+|@import""",
    re.I,
)
REPOSITORY = "https://example.org/them/safe-reinit"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation once, as strictly as a change is checked."""

    def build(folder: Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)], cwd=ROOT,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "REPOSITORY_URL": REPOSITORY},
            check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    return made_once(tmp_path_factory, "site", build)


def test_every_page_is_in_the_navigation(site: Path) -> None:
    """Each page of docs/ is in the navigation and built in each language; no program or template is published."""
    text = re.sub(r"!\S+", "", (ROOT / "mkdocs.yml").read_text("utf-8"))
    listed = set(re.findall(r"[\w/-]+\.md", str(yaml.safe_load(text)["nav"])))
    written = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    translated = {path for path in written if path.endswith(".zh.md")}

    assert written - translated == listed
    assert len(list(site.rglob("index.html"))) == 2 * len(listed)
    assert not list(site.rglob("*.py"))
    assert (site / "report.schema.json").exists()


def test_every_page_links_to_the_repository_that_it_is_built_from(site: Path) -> None:
    """Its address is known where the pages are built, and nowhere else."""
    pages = [*site.rglob("index.html")]

    assert pages
    assert [page for page in pages if REPOSITORY not in page.read_text("utf-8")] == []


def test_a_built_page_asks_nobody_else_for_anything(site: Path) -> None:
    """No page and no style sheet has a script, a style, a font or a picture from another host."""
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    asked = {found for path in files for found in _ASKS.findall(path.read_text("utf-8"))}

    assert len(files) > 20
    assert asked == set()
    assert _ASKS.search('<link rel="stylesheet" href="https://fonts.example/css">')
    assert _ASKS.search('<script src="//cdn.example/x.js">')


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Serve the built pages on loopback."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Report nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start one Chromium for the tests of this file."""
    with Browser(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_page_fits_on_a_desk_and_on_a_phone(address: str, browser: Browser) -> None:
    """In a browser a page asks only its own host, and nothing is wider than the window but what scrolls by itself."""
    for page in ("", "reference/commands/", "explanation/alternatives/"):
        fits(browser, f"{address}/{page}")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_every_page_fits_on_a_desk_and_on_a_phone(site: Path, address: str, browser: Browser) -> None:
    """The same holds for every page, and each picture on it is drawn."""
    for page in sorted(site.rglob("index.html")):
        fits(browser, f"{address}/{page.parent.relative_to(site)}/")

        assert browser.evaluate("[...document.images].every(each => each.complete && each.naturalWidth > 0)"), page


def fits(browser: Browser, page: str) -> None:
    """Assert that a page is as wide as its window, asks nobody else for anything, and has no complaint."""
    for width in (1280, 390):
        browser.open(page, width=width)
        wide = browser.evaluate("document.documentElement.scrollWidth")

        assert wide <= width, f"{page} is {wide} wide in a window of {width}"
        own = page[: page.index("/", 7)]
        assert all(asked.startswith((own, "data:", "blob:")) for asked in browser.requests), page
        assert not browser.complaints, page


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_wide_table_scrolls_in_itself_and_keeps_the_name_of_the_row(address: str, browser: Browser) -> None:
    """On a phone a table of five columns moves below its first column, and the page stays where it is."""
    browser.open(f"{address}/explanation/alternatives/", width=390)
    before, after, page = browser.evaluate(
        """(() => {
          const cell = document.querySelector("tbody tr:nth-child(4) td");
          const left = () => cell.getBoundingClientRect().left;
          const scrolls = cell.closest(".md-typeset__scrollwrap"), before = left();
          scrolls.scrollLeft = 300;
          return [before, left(), document.documentElement.scrollLeft + scrolls.scrollLeft];
        })()"""
    )

    assert page == 300
    assert abs(before - after) <= 20


SEARCHES = {
    "docker": "howto/container/", "install": "install/", "cron": "howto/nightly/", "terraform": "howto/terraform/",
}  # fmt: skip
_FIND = """
new Promise(done => {
  const box = document.querySelector(".md-search__input"), found = document.querySelector(".md-search-result__list");
  const first = () => found.querySelector("a");
  new MutationObserver(() => first() && done(first().href)).observe(found, {childList: true, subtree: true});
  box.focus();
  box.value = "WORD";
  box.dispatchEvent(new Event("input", {bubbles: true}));
  box.dispatchEvent(new Event("keyup", {bubbles: true}));
})
"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("word", SEARCHES)
def test_the_search_finds_the_page_that_helps(address: str, browser: Browser, word: str) -> None:
    """Whoever types such a word into the search box is led to the page about it first."""
    browser.open(f"{address}/")

    assert browser.evaluate(_FIND.replace("WORD", word)).startswith(f"{address}/{SEARCHES[word]}")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_the_pictures_of_the_architecture_are_drawn_and_can_be_read_on_a_phone(address: str, browser: Browser) -> None:
    """A picture is wide enough for its words; on a phone it scrolls in itself."""
    page = "explanation/architecture/"
    browser.open(f"{address}/{page}", width=390)
    drawn = browser.evaluate(
        "[...document.images].map(each => each.complete && each.getBoundingClientRect().width / each.naturalWidth)"
    )

    assert len(drawn) == 2
    assert all(scale >= 0.7 for scale in drawn)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_what_is_copied_is_the_command(address: str, browser: Browser) -> None:
    """The button beside a console block copies its commands, without the prompt and what they said."""
    copied = (
        "(() => { const code = [...document.querySelectorAll('.language-console code')][1];"
        "code.setAttribute('data-md-copying', ''); return code.innerText.trim(); })()"
    )
    browser.open(f"{address}/tutorial/")

    assert browser.evaluate(copied) == "safe-reinit --simulate --disk d-sim-web1-data --stop-instance --dry-run"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_the_chinese_pages_are_found(address: str, browser: Browser) -> None:
    """Each page offers the other language, and a search for Chinese words finds the Chinese page that has them."""
    found = (
        "new Promise(found => { const look = () => {"
        "const links = [...document.querySelectorAll('a.md-search-result__link')].map(link => link.pathname);"
        "if (links.length) found(links); };"
        "new MutationObserver(look).observe(document.body, {childList: true, subtree: true}); look(); })"
    )
    browser.open(f"{address}/howto/undo/")
    other = browser.evaluate("document.querySelector('.md-header .md-select a[hreflang=zh]').pathname")
    browser.open(f"{address}{other}?q=回滚到其他快照")

    assert other == "/zh/howto/undo/"
    assert browser.evaluate("document.querySelector('.md-header .md-select button').offsetWidth") > 0
    assert browser.evaluate("document.documentElement.lang") == "zh"
    assert browser.evaluate(found)[0] == other
    assert not browser.complaints


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_the_map_of_the_program_fits_on_a_screen(address: str, browser: Browser) -> None:
    """At 1440x900 the heading, the picture of the parts and what is said below it are seen at once."""
    browser.open(f"{address}/explanation/architecture/", width=1440)
    high, room = browser.evaluate(
        """(() => {
          const heading = document.querySelector("#the-parts-of-the-program");
          const picture = document.querySelector("img[src*=rooms]").closest("p");
          const bottom = picture.nextElementSibling.getBoundingClientRect().bottom;
          const bar = document.querySelector("header").getBoundingClientRect().height;
          return [bottom - heading.getBoundingClientRect().top, innerHeight - bar];
        })()"""
    )

    assert high <= room
