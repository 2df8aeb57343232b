"""Names that say production in other letters, capitals or encodings: such a disk is never wiped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from safe_reinit import connect
from safe_reinit.model import Plan
from safe_reinit.simulator import Simulator
from tests.cloudlike import DATA, INSTANCE, simulated
from tests.samples import sampled

pytestmark = pytest.mark.virtual_time


def wide(text: str) -> str:
    """Return a text in full-width letters, as East Asian keyboards write it."""
    return "".join(chr(ord(letter) + 0xFEE0) for letter in text)


PROTECTED = {
    "capitals before small letters": ["PRODdb", "PRODUCTIONdata", "PRODweb-01", "dbPRODweb", "webPRODdb"],
    "capitals before a capitalised word": ["PRODWeb", "PRODUCTIONData", "WEBProd", "WEBProdDb"],
    "a word of its own": ["prod", "PROD", "web-prod-2", "non-prod", "web.prod", "web_PROD", "(prod)", "prod db"],
    "inside of camel case": ["webProd", "prodDB", "myProductionDb", "aProdB"],
    "next to digits": ["prod2", "PROD1", "prod01db", "1prod2", "db2Prod3"],
    "full-width letters": [wide("prod"), wide("PROD-db"), wide("PRODdb"), f"web{wide('-prod')}", f"x{wide('prod')}x"],
    "other forms of letters": ["\u24c5\u24e1\u24de\u24d3", "\u1d56\u02b3\u1d52\u1d48"],
    "soft hyphens": ["pr\u00adod", "web-pr\u00ado\u00add", "\u00adprod\u00ad"],
    "what has no width": ["pr\u200dod", "p\u200brod", "\ufeffprod", "prod\ufe0f", "pro\u2060d", "pr\u3164od"],
    "no width between words": ["web\u200bprod", "web\u200dprod", "web\u00adprod\u00addb", "web\u200bpr\u00adod"],
    "marks": ["prod\u0301", "pro\u0308d", "pr\u00f3d", "PR\u00d3D", "p\u0300r\u0300o\u0300d\u0300"],
    "marks round letters": ["p\u20ddr\u20ddo\u20ddd\u20dd", "p\u1dc4rod", "pr\ufe20od", "pro\u0488d-1"],
    "variation selectors": ["p\U000e0100rod", "pr\u180bod", "pro\ufe01d", "web-prod\U000e01ef"],
    "the letters i of Turkish": ["PRODUCT\u0130ON", "product\u0131on", "PRODUCTI\u0307ON", "PRODUCT\u0130ONdb"],
    "by other letters": ["\u751f\u4ea7prod", "prod\u5e93", "\u00e9prod", "prod\u00e9", "\u00dcprod", "\ufb01prod"],
    "control characters": ["web\tprod", "pr\x07od", "web\x1bprod"],
}  # fmt: skip
FREE = [
    "product",
    "reprod",
    "Product-2",
    "PRODUCT",
    "WEBPRODUCT",
    "produce",
    "unproductive",
    "lab-1",
    wide("product"),
    "Reprod",
]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """Start a small world."""
    with simulated() as started:
        yield started


@pytest.fixture
def plan(sim: Simulator, tmp_path: Path) -> Callable[..., Plan]:
    """Return what renames the machine, or the disk, and plans the wipe of it with a configuration."""

    def planned(name: str, config: str = "{}", *, of: str = INSTANCE) -> Plan:
        (tmp_path / "c.yaml").write_text(config, "utf-8")
        for each in (INSTANCE, DATA):
            sim.do({"change": each, "to": {"name": name if each == of else "plain"}})
        client = connect(
            region="cn-hangzhou", endpoint=sim.url, credentials=sim.access_key, config=str(tmp_path / "c.yaml")
        )
        return client.plan([DATA], stop_instance=True)

    return planned


def protecting(plan: Plan) -> list[str]:
    """Return the findings that protect."""
    return [found.message for found in plan.findings if found.check == "target-protected"]


@pytest.mark.parametrize(
    ("kind", "of"), [*((kind, INSTANCE) for kind in PROTECTED), *sampled((kind, DATA) for kind in PROTECTED)]
)
def test_a_name_with_the_word_in_it_is_protected(plan: Callable[..., Plan], kind: str, of: str) -> None:
    """Without any configuration, the words prod and production protect in every one of these forms."""
    missed = [name for name in PROTECTED[kind] if not protecting(plan(name, of=of))]

    assert missed == []


def test_other_words_stay_free(plan: Callable[..., Plan]) -> None:
    """A word that only contains it protects nothing."""
    assert [name for name in FREE if protecting(plan(name))] == []


@pytest.mark.parametrize("name", [wide("live") + "-1", "LI\u00adVE-1", "Live\u200b-1", "L\u0130VE-1", "live-1"])
@pytest.mark.parametrize(
    "config",
    ["protect: {names: ['live-*']}", "protect: {terms: [live]}", "protect: {names: ['\uff2c\uff29\uff36\uff25-?']}"],
)
def test_patterns_protect_however_a_name_is_encoded(plan: Callable[..., Plan], config: str, name: str) -> None:
    """What the configuration protects by name is compared by what the name says."""
    assert protecting(plan(name, config))


@pytest.mark.parametrize(
    "key", ["safe-reinit:protect", "Safe-Reinit:Protect", "safe\u00ad-reinit:protect", wide("s") + "afe-reinit:protect"]
)
def test_a_mark_protects_however_it_is_encoded(plan: Callable[..., Plan], sim: Simulator, key: str) -> None:
    """The protecting tag is recognised in any case and encoding."""
    sim.do({"change": INSTANCE, "to": {"tags": {key: "yes"}}})
    try:
        assert protecting(plan("plain"))
    finally:
        sim.do({"change": INSTANCE, "to": {"tags": {}}})


@pytest.mark.parametrize(
    "name", [wide("lab") + "-1", "LAB-1", "la\u00adb-1", "lab-1\u200b", "l\u00e1b-1", "lab\u200b-1"]
)
@pytest.mark.parametrize("pattern", ["lab-?", "lab-1", "lab-[0-9]"])
def test_what_allows_is_compared_letter_by_letter(plan: Callable[..., Plan], pattern: str, name: str) -> None:
    """A name in other letters than the allowed one is not allowed: the same look is no reason to wipe."""
    config = json.dumps({"allow": {"names": [pattern]}})

    assert not any(found.check == "target-not-allowed" for found in plan("lab-1", config).findings)
    assert any(found.check == "target-not-allowed" for found in plan(name, config).findings)


def test_a_class_is_matched_letter_by_letter(plan: Callable[..., Plan], sim: Simulator) -> None:
    """A tag in other letters does not put a disk into a class that asks for nothing."""
    config = "classes: {lab: {match: {tags: {env: lab}}, stop_instance: true, accept: [no-recent-snapshot]}}"
    classes = {}
    for value in ("lab", wide("lab"), "LAB", "la\u00adb"):
        sim.do({"change": INSTANCE, "to": {"tags": {"env": value}}})
        classes[value] = plan("plain", config).guard.class_
    sim.do({"change": INSTANCE, "to": {"tags": {}}})

    assert [value for value, found in classes.items() if found] == ["lab"]
