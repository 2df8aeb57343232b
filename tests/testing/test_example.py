"""The fixtures for pytest, as a user has them: the tests of examples/testing in an interpreter of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.blocks import ROOT, blocks

EXAMPLE = ROOT / "examples" / "testing"
PAGE = "docs/howto/testing.md"
PLUGIN = "safe_reinit.testing.plugin"


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tests in a folder with the plugin, which an entry point names as well, and none that is only ours."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:randomly", "-p", "no:xdist", "-q", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_the_tests_of_the_example_pass(tmp_path: Path) -> None:
    """A user's own pytest runs the tests of the small program, with no other file than the two."""
    folder = shutil.copytree(EXAMPLE, tmp_path / "lab", ignore=shutil.ignore_patterns("__pycache__"))

    done = run_pytest(folder, "-W", "error")

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed", done.stdout, re.M)


def test_the_page_shows_code_that_works(tmp_path: Path) -> None:
    """Each block of Python on the page about tests is a test file that passes beside the small program."""
    folder = shutil.copytree(EXAMPLE, tmp_path / "lab", ignore=shutil.ignore_patterns("__pycache__", "test_*"))
    shown = [block for block in blocks(ROOT / PAGE) if block.language == "python"]
    for number, block in enumerate(shown):
        (folder / f"test_block_{number}.py").write_text(block.text, "utf-8")

    done = run_pytest(folder)

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^test_block_", done.stdout, re.M)) <= len(shown)


def test_what_a_test_changes_in_the_environment_is_taken_back(tmp_path: Path) -> None:
    """A test that sets one of the variables by monkeypatch leaves nothing of the simulated ECS behind."""
    (tmp_path / "test_environment.py").write_text(
        "import os\n"
        "before = dict(os.environ)\n"
        "def test_changes(monkeypatch, simulated_ecs):\n"
        "    monkeypatch.setenv('SAFE_REINIT_REGION', 'cn-beijing')\n"
        "    monkeypatch.delenv('ALIBABA_CLOUD_ACCESS_KEY_ID')\n"
        "def test_nothing_is_left():\n"
        "    assert {**os.environ, 'PYTEST_CURRENT_TEST': ''} == {**before, 'PYTEST_CURRENT_TEST': ''}\n",
        "utf-8",
    )

    done = run_pytest(tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plugin_imports_nothing_until_a_test_asks_for_it() -> None:
    """Whoever has the package installed and tests something else pays for no part of it but the names of fixtures."""
    program = f"import sys, {PLUGIN}; print(sorted(name for name in sys.modules if name.startswith('safe_reinit')))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == str(["safe_reinit", "safe_reinit.testing", PLUGIN])
