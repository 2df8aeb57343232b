"""What people install: the wheel and the sdist have all that is needed and nothing else, and work by themselves."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
import yaml

from safe_reinit.version import VERSION
from tests.shared import made_once

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "https://example.org/them/safe-reinit"
PYPROJECT = (ROOT / "pyproject.toml").read_text("utf-8")

pytestmark = pytest.mark.skipif(
    not (ROOT / "safe_reinit").is_dir(), reason="the sources are away: this is built from them"
)


def python(*argv: str, **more: Any) -> str:
    """Run a Python and give what it printed."""
    done = subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
        **more,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from it, as a workflow does."""
    build, env = ("-m", "build", "--no-isolation"), {**os.environ, "REPOSITORY_URL": REPOSITORY}
    return made_once(tmp_path_factory, "dist", lambda where: python(*build, "--outdir", str(where), str(ROOT), env=env))


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Install the wheel in a place of its own, and give how to run a Python that finds it, and no source, first."""
    (wheel,) = built.glob("*.whl")
    install = ("-m", "pip", "install", "-q", "--no-deps", "--no-index")
    where = made_once(tmp_path_factory, "installed", lambda where: python(*install, "--target", str(where), str(wheel)))
    return {"cwd": tmp_path_factory.mktemp("elsewhere"), "env": {**os.environ, "PYTHONPATH": str(where)}}


def wheel_of(built: Path) -> zipfile.ZipFile:
    """Open the wheel."""
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_has_the_package_and_nothing_else(built: Path) -> None:
    """Each file of the package is in the wheel, the typing mark and the simulator's world too, and no test or bench.

    Besides there are the manual pages, where man finds those of an environment.
    """
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "safe_reinit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    with wheel_of(built) as wheel:
        names = set(wheel.namelist())

    information = {name for name in names if name.startswith(f"safe_reinit-{VERSION}.dist-info/")}
    pages = {f"safe_reinit-{VERSION}.data/data/share/man/man1/{path.name}" for path in (ROOT / "man").iterdir()}
    assert names - information == package | pages
    assert f"safe_reinit-{VERSION}.dist-info/licenses/LICENSE" in information
    assert any(name.endswith("/safe-reinit.1") for name in pages)
    assert {"safe_reinit/py.typed", "safe_reinit/simulator/default_world.yaml"} <= names


def test_the_sdist_has_what_its_tests_need(built: Path) -> None:
    """Who packages it for a distribution finds tests, docs, examples and the papers in the sdist, and no litter."""
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}

    expected = {
        "PKG-INFO", "README.md", "README-CN.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md",
        "config.example.yaml", "pyproject.toml", "noxfile.py", "mkdocs.yml", "safe_reinit/core/decide.py",
        "tests/core/test_decide.py", "docs/checks.md", "examples/worlds/system-disk.yaml",
    }  # fmt: skip
    assert expected <= names
    assert not [name for name in names if re.search(r"__pycache__|\.pyc$|^\.venv|^\.git/|^dist/|^bench/", name)]


def test_the_wheel_says_what_it_needs(built: Path) -> None:
    """The metadata has the version, the Pythons, every dependency bounded below, and the command of its own name."""
    with wheel_of(built) as wheel:
        information = f"safe_reinit-{VERSION}.dist-info"
        metadata = message_from_bytes(wheel.read(f"{information}/METADATA"))
        commands = wheel.read(f"{information}/entry_points.txt").decode()

    needs = [each for each in metadata.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert metadata["Version"] == VERSION
    assert f"Source, {REPOSITORY}" in metadata.get_all("Project-URL", [])
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert needs
    assert all(">=" in each for each in needs)
    assert "safe-reinit = safe_reinit.__main__:main" in commands  # the command that `uvx safe-reinit` looks for
    assert "[pytest11]\nsafe_reinit.testing.plugin = safe_reinit.testing.plugin" in commands  # what pytest looks for


@pytest.mark.parametrize(("there", "links"), [(REPOSITORY, 3), (f"{REPOSITORY}/", 3), ("", 0)])
def test_the_links_lead_to_the_repository_that_it_is_built_from(
    monkeypatch: pytest.MonkeyPatch, there: str, links: int
) -> None:
    """Where nothing says what that is, the package has none."""
    monkeypatch.setenv("REPOSITORY_URL", there)
    metadata: dict[str, Any] = {}
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))["RepositoryLinks"]

    hook(str(ROOT), {}).update(metadata)

    urls = metadata.get("urls", {})
    assert len(urls) == links
    assert all(each == REPOSITORY or each.startswith(f"{REPOSITORY}/") for each in urls.values())


@pytest.mark.parametrize(
    ("argv", "result"),
    [(("--version",), VERSION), (("--help",), "--disk"), (("explain", "spot"), "spot"), (("checks",), "disk-locked")],
    ids=" ".join,
)
def test_what_only_tells_works_as_installed(installed: dict[str, Any], argv: tuple[str, ...], result: str) -> None:
    """Version, help and explanations need no file that is not in the wheel."""
    assert result in python("-W", "error", "-m", "safe_reinit", *argv, **installed)


def test_the_main_job_works_as_installed(installed: dict[str, Any], tmp_path: Path) -> None:
    """README's first run is done by the wheel alone, on the simulator and the world that are in it."""
    where = Path(python("-c", "import safe_reinit; print(safe_reinit.__file__)", **installed).strip())
    world = yaml.safe_load((where.parent / "simulator" / "default_world.yaml").read_text("utf-8"))
    quick = tmp_path / "quick.yaml"  # each step of the run is there, and none takes a minute of the simulator's time
    quick.write_text(yaml.safe_dump({**world, "durations": {"stop": 1, "wipe": 9, "start": 1}}), "utf-8")
    result = python(
        "-m", "safe_reinit", "--simulate", "--world", str(quick), "--disk", "d-sim-web1-data", "--stop-instance",
        "--confirm", "d-sim-web1-data", **installed,
    )  # fmt: skip

    assert where.is_relative_to(installed["env"]["PYTHONPATH"])
    assert "d-sim-web1-data on web1 (i-sim-web1): wiped (ECS showed the wipe begin and end)" in result


def test_the_pythons_of_the_classifiers_are_those_of_the_workflow() -> None:
    """Each Python that is said to be supported is one that the workflow tests, and the other way round."""
    text = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PYPROJECT)
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")

    assert re.findall(r'"(3\.\d+)"', workflow.split("python: [")[1].split("]")[0]) == text
    assert all(re.search(rf"^ +{version}$", workflow, re.MULTILINE) for version in text)


def test_the_workflow_is_careful() -> None:
    """Every action is pinned by its commit, nothing has a right that it does not need, and ``.ci/run`` is what runs."""
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    used = re.findall(r"uses: (\S+)", workflow)

    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)
    assert "\npermissions: {}\n" in workflow
    assert "- run: .ci/run\n" in workflow


def test_every_job_of_the_workflow_counts() -> None:
    """The last job waits for every other one, and together they run what a release depends on."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]
    run = "\n".join(step["run"] for job in jobs.values() for step in job["steps"] if "run" in step)
    sessions = {name for names in re.findall(r"nox -s ([\w ]+)", run) for name in names.split()}

    assert set(jobs["gate"]["needs"]) == set(jobs) - {"gate"}
    assert sessions == {"ansible", "audit", "coverage", "distribution", "examples", "lowest", "once", "package"}


def test_a_release_has_no_password() -> None:
    """Only the job that uploads may ask for a token, and it runs no code of the repository or of a dependency."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    used = [step["uses"] for job in (build, publish) for step in job["steps"] if "uses" in step]

    assert workflow["permissions"] == {}
    assert build["permissions"] == {"contents": "read"}
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "pypi"
    assert all("run" not in step and "password" not in step.get("with", {}) for step in publish["steps"])
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)


def test_the_sessions_that_are_documented_exist() -> None:
    """CONTRIBUTING.md names every session of noxfile.py, and no other."""
    sessions = set(
        re.findall(r"^@nox\.session.*\n(?:@.*\n)*def (\w+)", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE)
    )
    result = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

    assert set(re.findall(r"nox -s (\w+)`", result)) == sessions - {"build"}
