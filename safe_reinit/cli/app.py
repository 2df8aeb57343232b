"""The commands. ``output.end`` turns the error that ends one into a sentence, a document and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from ..config import Settings
from ..errors import Error, RunRefused, UsageError
from ..version import VERSION
from . import complete, options
from .help import MAX_WIDTH, SectionedGroup, given_options, misuse, short, width
from .output import Output, UnreadError, end, print_stderr, print_stdout, unwritten
from .signals import Signals, Stopped

_EXIT_CODES = """\b
Exit codes: 0 done or planned, 1 bug, 2 usage, 3 refused, 4 failed, 5 unknown,
6 not-restarted, 7 partial, 8 stranded. The README explains each of them."""


@click.group(
    cls=SectionedGroup,
    short_help="Wipe an Alibaba Cloud ECS disk back to its initial state, safely.",
    invoke_without_command=True,
    context_settings={"max_content_width": MAX_WIDTH},
    options_metavar="--disk D [OPTIONS]",
    subcommand_metavar="| COMMAND [OPTIONS]",
    epilog=_EXIT_CODES,
)
@options.program
@click.pass_context
def app(ctx: click.Context, /, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Wipe an Alibaba Cloud ECS disk back to its initial state (ReInitDisk), safely.

    Without a command, safe-reinit checks first, shows exactly what it will do, and asks you to type the instance's
    name. Then it stops the instance, wipes the disk, verifies the wipe, and restores the power state.
    """
    if ctx.invoked_subcommand is not None:
        return
    if not given_options(ctx):
        print_stderr(short())
        raise UsageError("No disk or command given.", hint="")
    ctx.exit(_wipe(flags, ctx.obj))


def _wipe(flags: Mapping[str, Any], output: Output) -> int:
    """Plan and, unless it is a dry run, run: in one region, or in each of several."""
    if isinstance(flags.get(Settings.region.name), tuple):
        from . import regions  # noqa: PLC0415 - most commands are about one

        return regions.command(flags, output)
    from . import wipe  # noqa: PLC0415 - help and usage errors stay cheap

    return wipe.command(flags, output)


@app.command(short_help="Check and show the plan without changing anything.")
@options.plan
@click.pass_context
def plan(ctx: click.Context, /, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Check and show the plan without changing anything. This is the same as --dry-run."""
    ctx.exit(_wipe({**flags, "dry_run": True}, ctx.obj))


@app.command(short_help="Run a saved plan, unless something has changed since.")
@options.argument("file", "FILE", complete.words(), files=True)
@options.apply
@click.pass_context
def apply(ctx: click.Context, /, file: str, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Run a plan that was saved with plan --save, unless something has changed since.

    Everything is checked again first. The plan is refused if a fact has changed, if a check refuses it now, or if the
    file was used before, has expired, was edited, or is for another account. To read it: safe-reinit show FILE
    """
    from . import apply as applying  # noqa: PLC0415 - see above

    ctx.exit(applying.command(file, flags, ctx.obj))


@app.command(short_help="Run the plan on a simulated copy of the machine.")
@options.rehearse
@click.pass_context
def rehearse(ctx: click.Context, /, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Read the facts of the real disks without changing anything, and run the plan on a simulated copy."""
    from . import rehearse as rehearsal  # noqa: PLC0415 - see above

    ctx.exit(rehearsal.command(flags, ctx.obj))


@app.command(short_help="Print the minimal RAM policy for this run, or check yours.")
@options.policy
@click.pass_context
def policy(ctx: click.Context, /, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Print the minimal RAM policy for a run with these options, or list the permissions that are missing.

    The command takes the same options as a run. It reads the disks, so it needs read access to them. It changes
    nothing.
    """
    from . import ram_policy  # noqa: PLC0415 - see above

    ctx.exit(ram_policy.command(flags, ctx.obj))


@app.command(short_help="Continue a run that is still open.")
@options.argument("run_id", "RUN", complete.offer_runs)
@options.resume
@click.pass_context
def resume(ctx: click.Context, /, run_id: str, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Continue a run whose process has died, or that left a machine stopped or an outcome unknown.

    No new consent is needed: the run may still wipe the disks that were confirmed, and it starts its machines again.
    """
    from . import resume as going_on  # noqa: PLC0415 - see above

    ctx.exit(going_on.command(run_id, flags, ctx.obj))


@app.command(short_help="Ask one run, or every run, to stop cleanly.")
@options.argument("run_id", "[RUN]", complete.offer_runs, required=False)
@click.option("--all", "every", is_flag=True, help="Ask every open run to stop.")
@options.cancel
def cancel(run_id: str | None, *, every: bool, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Ask a run to stop cleanly: it begins no more jobs, sends no more wipes, and starts its machines again.

    The run still waits for a wipe that ECS has accepted. This command does not wait for the run. If no process is
    working on the run, resume it: that starts its machines and wipes nothing. Other runs can still begin; to prevent
    that, see safe-reinit hold.
    """
    from . import history  # noqa: PLC0415 - see above

    if (run_id is None) is not every:
        raise UsageError("Give either the id of one run or --all.", hint="See safe-reinit runs.")
    if every:
        history.cancel_all(flags)
    else:
        history.cancel(str(run_id), flags)


@app.command(short_help="Stop every run, and let no new run begin.")
@click.option("--reason", metavar="TEXT", required=True, help="The reason; shown to anyone who tries to start a run.")
@options.cancel
def hold(reason: str, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Stop every run of this journal: no run stops or wipes a machine until safe-reinit unhold.

    Active runs stop cleanly, as with cancel, and start their machines again. No new run begins.
    """
    from . import history  # noqa: PLC0415 - see above

    history.hold(reason, flags)


@app.command(short_help="Let runs start again after hold.")
@options.cancel
def unhold(**flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Allow runs to start again after safe-reinit hold. Runs that the hold ended are not restarted."""
    from . import history  # noqa: PLC0415 - see above

    history.unhold(flags)


@app.command(short_help="Roll disks back to the snapshots that a run took.")
@options.argument("run_id", "RUN", complete.offer_runs)
@options.undo
@click.pass_context
def undo(ctx: click.Context, /, run_id: str, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Roll the disks that a run wiped back to the safety snapshots that it took. An undo is itself a run."""
    from . import undo as undoing  # noqa: PLC0415 - see above

    ctx.exit(undoing.command(run_id, flags, ctx.obj))


@app.command(short_help="List the runs, and the machines left stopped.")
@click.option(
    "--prune", metavar="AGE", help="Prune runs that ended longer ago than this, such as 720h or 30d; open runs stay."
)
@options.limit("The number of newest runs to list; open runs are always listed.")
@click.option(
    "--needs-me",
    is_flag=True,
    help="List only the open runs that no process is working on, or whose process may be dead.",
)
@options.journal
@click.pass_context
def runs(
    ctx: click.Context, /, prune: str | None, limit: int, *, needs_me: bool, **flags: Any,  # noqa: ANN401 - see above
) -> None:  # fmt: skip
    """List the journal's runs, newest first: every open one, and the newest 20.

    The list names the machines that a run left stopped, with the command that starts them.
    """
    from . import run_list  # noqa: PLC0415 - see above

    ctx.exit(run_list.list_runs(flags, prune, limit, ctx.obj.with_form_of(flags), needs_me=needs_me))


@app.command(short_help="List who began, cancelled or held runs.")
@options.argument("run_id", "[RUN]", complete.offer_runs, required=False)
@options.limit("The number of newest entries to list.")
@options.journal
@click.pass_context
def audit(ctx: click.Context, /, run_id: str | None, limit: int, **flags: Any) -> None:  # noqa: ANN401 - see above
    """List who did what to the journal's runs, or to one run, newest first.

    It lists each run that was begun, undone, taken over, cancelled or pruned, each verdict and each hold. An entry
    stays when its run is pruned.
    """
    from . import history  # noqa: PLC0415 - see above

    history.audit(flags, run_id, limit, ctx.obj.with_form_of(flags))


@app.command(short_help="Show what a run did, or print a saved plan.")
@options.argument("name", "RUN|FILE", complete.offer_runs, files=True)
@options.show
@click.pass_context
def show(ctx: click.Context, /, name: str, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Show what a run did and what to do now, or print a saved plan. With --verbose, show every call too."""
    from . import run_story  # noqa: PLC0415 - see above

    ctx.exit(run_story.show(name, flags, ctx.obj.with_form_of(flags)))


@app.command("verify-cloud", short_help="Measure on a spare machine whether ECS is as assumed.")
@options.verify
@click.pass_context
def verify_cloud(ctx: click.Context, /, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Measure on a machine that nobody needs whether ECS behaves as runs assume. All data on its disk is lost.

    The command makes two runs, with all checks. Each stops the machine, wipes its disk and starts the machine again.
    Meanwhile the command observes the machine: whether StartTime changes, how late lists are, whether the status
    ReIniting appears. Exit code 0 means that ECS agrees with every assumption; 1, that it contradicts one, or that one
    could not be measured. Other codes are as for a run.
    """
    from . import verify  # noqa: PLC0415 - see above

    ctx.exit(verify.command(flags, ctx.obj))


@app.command(short_help="List the checks that are made before anything is changed.")
@options.output
@click.pass_context
def checks(ctx: click.Context, /, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """List the checks that are made before anything is changed."""
    from . import explain as explaining  # noqa: PLC0415 - see above

    explaining.checks(ctx.obj.with_form_of(flags))


@app.command(short_help="Explain a check or an ECS error code.")
@options.argument("name", "NAME|CODE", complete.explainable)
@options.output
@click.pass_context
def explain(ctx: click.Context, /, name: str, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Explain a check or an ECS error code."""
    from . import explain as explaining  # noqa: PLC0415 - see above

    explaining.explain(name, ctx.obj.with_form_of(flags))


@app.group(short_help="Check or show the configuration, or print an example.")
def config() -> None:
    """Check or show the configuration, or print an example."""


def _config(name: str, text: str) -> Callable[[Callable[..., None]], click.Command]:
    def decorate(function: Callable[..., None]) -> click.Command:
        function.__doc__ = text
        return config.command(name, short_help=text)(options.everything(click.pass_context(function)))

    return decorate


@_config("check", "Read the configuration and report every problem at once.")
def config_check(ctx: click.Context, /, **flags: Any) -> None:  # noqa: ANN401, D103 - one for each option
    from . import settings  # noqa: PLC0415 - see above

    settings.config_check(flags, ctx.obj.with_form_of(flags))


@_config("show", "Show every setting and where its value comes from.")
@click.option("--grace", is_flag=True, help="Print only how many seconds a worker needs to stop cleanly.")
def config_show(ctx: click.Context, /, *, grace: bool, **flags: Any) -> None:  # noqa: ANN401, D103 - one for each option
    from . import settings  # noqa: PLC0415 - see above

    output = ctx.obj.with_form_of(flags)
    settings.config_grace(flags) if grace else settings.config_show(flags, output)


@config.command("example", short_help="Print a complete configuration file with comments.")
def config_example() -> None:
    """Print a complete configuration file with comments."""
    from .example import example  # noqa: PLC0415 - see above

    print_stdout(example().rstrip("\n"))


@app.command(
    short_help="Start an ECS simulator on this machine.",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def simulator(ctx: click.Context, arguments: Sequence[str]) -> None:
    """Start an ECS simulator on this machine (the same as python -m safe_reinit.simulator)."""
    from ..simulator.__main__ import main as simulate  # noqa: PLC0415 - see above

    ctx.exit(simulate(list(arguments)))


@app.command(short_help="Carry out runs that a Temporal server assigns.")
@options.worker
@click.pass_context
def worker(ctx: click.Context, /, **flags: Any) -> None:  # noqa: ANN401 - one for each option
    """Carry out the shards of runs that a Temporal server assigns, for the credentials' account in one region.

    Any number of workers can serve the same account and region; they share a journal in PostgreSQL. SIGTERM or Ctrl-C
    stops a worker cleanly: it begins no more machines, finishes those that it has begun and starts them again. Other
    workers continue with the rest. safe-reinit config show --grace says how many seconds that can take.
    """
    from . import worker as working  # noqa: PLC0415 - see above

    ctx.exit(working.command(flags))


@app.command("completion", short_help="Print the completion script for a shell.")
@click.argument("shell", type=click.Choice(complete.SHELLS))
def completion(shell: str) -> None:
    """Print the script that lets a shell complete commands, options, names, runs and simulated disks with Tab.

    Completion sends no requests, except to a simulator on this machine. It does not complete the value of --confirm:
    that is your consent, so you must type it yourself.
    """
    from .shells import script  # noqa: PLC0415 - see above

    print_stdout(script(app, shell).rstrip("\n"))


@app.command("version", short_help="Print the version.")
def version() -> None:
    """Print the version."""
    print_stdout(f"safe-reinit {VERSION}")


@app.command("help", short_help="Show the help of a command.")
@click.argument("words", metavar="[COMMAND]", nargs=-1)
@click.pass_context
def help_(ctx: click.Context, words: Sequence[str]) -> None:
    """Show the help of a command with all its options, as COMMAND --help does."""
    _invoke([*words, "--help"], str(ctx.find_root().info_name), obj=ctx.obj)


@app.command("schema", short_help="Print the machine-readable contract as JSON.")
@click.pass_context
def schema(ctx: click.Context) -> None:
    """Print the machine-readable contract as one JSON document, for programs that call safe-reinit.

    It lists every command with its options and arguments (type, default, environment variable), what the command does
    to the data, how to see that without doing it, and what consent it needs. It also has the exit codes, with what each
    means for the data, and the JSON Schemas of the report, of events, and of what checks, explain and runs print.
    """
    from .contract import contract  # noqa: PLC0415 - see above

    ctx.obj.document(contract(app))


def _restore_help() -> None:
    """Read the help of the commands from the source, because Python drops docstrings when it optimises (``-OO``)."""
    import ast  # noqa: PLC0415 - only where Python optimises
    from importlib.abc import InspectLoader  # noqa: PLC0415 - see above

    source = __spec__.loader.get_source(__name__) if __spec__ and isinstance(__spec__.loader, InspectLoader) else None
    for node in ast.parse(source or "").body:
        command = globals().get(node.name) if isinstance(node, ast.FunctionDef) else None
        if isinstance(node, ast.FunctionDef) and isinstance(command, click.Command) and not command.help:
            command.help = ast.get_docstring(node)


if sys.flags.optimize > 1:
    _restore_help()


def run(argv: Sequence[str], signals: Signals | None = None) -> int:
    """Run one command line and return its exit code; nothing is raised, and no traceback is shown."""
    if shell_request := os.environ.get(complete.VARIABLE):
        from .shells import answer  # noqa: PLC0415 - see above

        return answer(app, shell_request)
    output = Output.from_argv(argv, os.environ, signals or Signals())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a character that cannot be written is no reason to lose the rest
            stream.reconfigure(errors="backslashreplace")
    with output.signals:
        try:
            try:
                ended = _command(argv, output)
            finally:
                output.signals.over()
        except (Stopped, KeyboardInterrupt):
            ended = RunRefused("Interrupted before anything was changed.", hint="")
        return ended if isinstance(ended, int) else end(ended, output)


def _command(argv: Sequence[str], output: Output) -> int | Error:
    """Run a command, and return its exit code or the exception that ended it."""
    try:
        return _invoke(argv, _program(), obj=output, terminal_width=width(os.environ))
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as wrong:
        return misuse(wrong)
    except click.Abort:
        return RunRefused("Interrupted before anything was changed.", hint="")
    except Error as raised:
        return raised
    except Exception as error:  # noqa: BLE001 - a traceback could show a secret
        from ..error_mapping import modules_of, unexpected  # noqa: PLC0415 - help stays cheap

        through = modules_of(error)
        if isinstance(error, OSError) and "click.utils" in through:  # the help, or a question, which click writes
            written = unwritten("stderr" if "click.termui" in through else "stdout", error)
            return 0 if isinstance(written, UnreadError) else written
        return unexpected(error)


def _invoke(argv: Sequence[str], program: str, **context: Any) -> int:  # noqa: ANN401 - click's own
    """Run a command without click's ``main``, which takes any closed pipe for that of stdout."""
    with app.make_context(program, list(argv), **context) as ctx:
        return int(app.invoke(ctx) or 0)


def _program() -> str:
    return "python -m safe_reinit" if sys.argv[0].endswith("__main__.py") else "safe-reinit"
