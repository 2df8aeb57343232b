"""The pages that follow something else: made from the code, or translated from an English page."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from markdown import Markdown

from tests.blocks import blocks

ROOT = Path(__file__).resolve().parent.parent
TRANSLATED = sorted((ROOT / "docs").rglob("*.zh.md"))
README, README_CN = ROOT / "README.md", ROOT / "README-CN.md"
CHINESE_INSTEAD = {
    "该次运行": "这次运行、那次运行",
    "本次运行": "这次运行",
    "应答": "响应",
    "未触及": "未改动",
    "运行状态": "实例状态",
    "打标签": "绑定标签",
    "消除原因": "解决问题",
}
"""By a word that no Chinese page has: what to write instead, so that one thing has one word."""


def generator() -> ModuleType:
    """Import docs/generate.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_made_page_is_what_the_code_makes_now() -> None:
    """Every page that is made from the code is up to date; else run python docs/generate.py."""
    pages = generator().pages()

    assert {path: (ROOT / path).read_text("utf-8") for path in pages} == pages


def english(path: Path) -> Path:
    """Return the page that a page translates."""
    return README if path == README_CN else path.with_name(path.name.replace(".zh.md", ".md"))


def headings(path: Path) -> list[tuple[int, str]]:
    """List the level and the anchor of each heading below the title, as the site makes them."""

    def flat(tokens: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
        for token in tokens:
            yield token["level"], token["id"]
            yield from flat(token["children"])

    reader: Any = Markdown(extensions=["toc", "attr_list", "pymdownx.superfences"])
    reader.convert(path.read_text("utf-8"))
    return [(level, anchor) for level, anchor in flat(reader.toc_tokens) if level > 1]


def pictures(path: Path) -> list[str]:
    """List the pictures that a page shows."""
    return re.findall(r"!\[[^\]]*\]\(([^)]+)\)", path.read_text("utf-8"))


def rows(path: Path) -> list[int]:
    """Count the columns of each row of the tables of a page."""
    return [line.count("|") for line in path.read_text("utf-8").splitlines() if line.startswith("|")]


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_translation_has_every_heading(path: Path) -> None:
    """A translation has the headings of its English page, each with the English anchor: ``## 标题 {#heading}``."""
    assert headings(path) == headings(english(path))


def test_the_chinese_readme_has_every_heading() -> None:
    """README-CN.md has as many headings of each level as README.md, in the same order."""
    assert [level for level, _ in headings(README_CN)] == [level for level, _ in headings(README)]


@pytest.mark.parametrize("path", [README_CN, *TRANSLATED], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_translation_has_every_block_picture_and_row(path: Path) -> None:
    """A translation has the blocks of its English page, with their markers, and its pictures and rows of tables.

    Only the comments of a block differ.

    So the tests that run the blocks of the English page are true for it as well.
    """

    def of(page: Path) -> list[tuple[object, ...]]:
        return [
            (block.language, re.sub(r"\s+#.*", "", block.text), block.words, block.switches, block.examples)
            for block in blocks(page)
        ]

    assert of(path) == of(english(path))
    assert pictures(path) == pictures(english(path))
    assert rows(path) == rows(english(path))


@pytest.mark.parametrize("path", [README_CN, *TRANSLATED], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_translation_has_one_word_for_one_thing(path: Path) -> None:
    """No Chinese page has a word for which the other Chinese pages have another one."""
    text = path.read_text("utf-8")

    assert {word: better for word, better in CHINESE_INSTEAD.items() if word in text} == {}


@pytest.mark.parametrize(
    "path", [README_CN, ROOT / "docs/reference/exit-codes.zh.md"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_translated_table_of_exit_codes_has_every_code(path: Path) -> None:
    """A translated table of exit codes has the codes and outcomes of the English one."""

    def codes(page: Path) -> list[str]:
        return re.findall(r"^(\| \d \| [^|]+\|)", page.read_text("utf-8"), re.M)

    assert len(codes(path)) == 9
    assert codes(path) == codes(english(path))
