"""The command line. Thin: a file per command parses, calls, prints; commands load when they run.

Results and paths go to stdout, progress and warnings to stderr. Exit codes: 0 done; 1 done, but judge
failures over 20 % or a gate missed; 2 bad input or usage; 3 model, grader or network; 4 an extra is
missing; 130 interrupted, resumable.
"""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

from demur import __version__
from demur.errors import BadInput, DemurError

#: Command -> (where it lives, one line for ``demur --help``). Nothing is imported to print the help.
COMMANDS = {
    "measure": ("demur.cli.measure:measure", "Measure how often a model refuses, and whether it should."),
    "judge": ("demur.cli.judge:judge", "Say for answers in a file which are refusals."),
    "judge compare": ("demur.cli.judge_compare:compare", "Hold two judges against each other."),
    "study stages": ("demur.cli.study:stages", "Say where refusals of harmless pictures come from."),
    "study system-prompts": (
        "demur.cli.study:system_prompts",
        "Say what system prompts change in refusals of pictures.",
    ),
    "study contrast": (
        "demur.cli.study:contrast",
        "Hold refusals of harmless pictures against those of harmful ones, over models.",
    ),
    "label": ("demur.cli.label:label", "Label a random sample of answers on a page, by keyboard."),
    "import": (
        "demur.cli.import_logs:import_logs",
        "Turn files of other harnesses into a record file or an Inspect log.",
    ),
    "report": ("demur.cli.report:report", "Make one page from one or several runs."),
    "reproduce": (
        "demur.cli.reproduce:reproduce",
        "Print a paper's table beside what recorded data give.",
    ),
    "predict": (
        "demur.cli.predict:predict",
        "Say which prompts a model is likely to refuse, without asking it.",
    ),
    "predict fit": ("demur.cli.predict_fit:fit", "Learn from a model's answers which prompts it refuses."),
    "mitigate refusal_tokens": (
        "demur.cli.mitigate_refusal_tokens:refusal_tokens",
        "Teach a model to say with its first token whether it will refuse.",
    ),
    "mitigate boundary": (
        "demur.cli.mitigate_boundary:boundary",
        "Make harmful exchanges useless inside a model; look-alike ones stay.",
    ),
    "mitigate roles": ("demur.cli.mitigate_roles:roles", "Sort recorded answers into rows for boundary."),
    "mitigate answer_then_check": (
        "demur.cli.mitigate_answer_then_check:answer_then_check",
        "Teach a model to plan its answer, check the plan, and only then speak.",
    ),
    "mitigate reinforce": (
        "demur.cli.mitigate_reinforce:reinforce",
        "Reward a model of answer_then_check for safe plans and answers.",
    ),
    "mitigate check_data": (
        "demur.cli.mitigate_check_data:check_data",
        "Build the rows for answer_then_check from requests and helper models.",
    ),
    "mitigate temporal": (
        "demur.cli.mitigate_temporal:temporal",
        "Build rows for refusal_tokens: questions past a model's knowledge horizon.",
    ),
    "mitigate align": (
        "demur.cli.mitigate_align:align",
        "Teach a model to answer what it refused, with pairs of answers.",
    ),
    "mitigate pairs": (
        "demur.cli.mitigate_pairs:pairs",
        "Make pairs of answers from over-refused prompts, for align.",
    ),
    "mitigate ablate": (
        "demur.cli.mitigate_ablate:ablate",
        "Take the refusal direction out of a model: a baseline, no fix.",
    ),
    "mitigate unlearn": (
        "demur.cli.mitigate_unlearn:unlearn",
        "Make a model lose how to help with certain requests, also beside pictures.",
    ),
    "mitigate unlearn_rows": (
        "demur.cli.mitigate_unlearn_rows:unlearn_rows",
        "Check SafeEraser's data, and make rows for unlearn of it.",
    ),
    "mitigate compare": (
        "demur.cli.mitigate_compare:compare",
        "Draw several recipes on one model in one trade-off plot.",
    ),
    "mitigate merge": ("demur.cli.mitigate_merge:merge", "Add an adapter to its base, as one model."),
    "dial": ("demur.cli.dial:dial", "Set how often a model with control tokens refuses, with a promise."),
    "explain": (
        "demur.cli.explain:explain",
        "Say which words make a local model refuse, and what others change.",
    ),
    "boundary": (
        "demur.cli.explain_boundary:boundary",
        "Show in which layers of a local model harmful and harmless prompts part.",
    ),
    "verify": ("demur.cli.verify:verify", "Check what answers say against evidence, statement by statement."),
    "collect factbench": (
        "demur.cli.collect:factbench",
        "Make a benchmark of hard questions of fact from a chat log.",
    ),
    "collect refresh": ("demur.cli.collect:refresh", "Make its next version from a newer log."),
    "stress evolve": (
        "demur.cli.stress_evolve:evolve",
        "Search for harmless prompts that a model refuses, from harmless seeds.",
    ),
    "stress synthesize": (
        "demur.cli.stress_synthesize:synthesize",
        "Make prompts that sound forbidden by a policy and are allowed, with twins.",
    ),
    "stress rewrite": (
        "demur.cli.stress_rewrite:rewrite",
        "Say what other words do to refusal, and whether the meaning stays.",
    ),
    "stress review": (
        "demur.cli.stress_review:review",
        "Accept or reject candidate prompts on a page, by keyboard.",
    ),
    "stress build": (
        "demur.cli.stress_build:build",
        "Make a test set, or preference pairs, of what searches found.",
    ),
    "benchmarks": ("demur.cli.benchmarks:benchmarks", "List the benchmarks."),
    "data": ("demur.cli.data:data", "List, fetch, verify and export the data that benchmarks use."),
}
INTERRUPTED = 130
#: First words of commands that go on after an interruption; the others write at their end.
RESUMED = {"measure", "mitigate", "verify", "collect", "stress"}


class _Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A command of two words goes before one of its first word."""
        two = " ".join(args[:2])
        if two in COMMANDS:
            return two, self.get_command(ctx, two), args[2:]
        second = [name.partition(" ")[2] for name in COMMANDS if name.startswith(f"{args[0]} ")]
        if args[0] not in COMMANDS and second:
            raise BadInput(f"`demur {args[0]}` is followed by one of: {', '.join(second)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="demur")
def demur() -> None:
    """When does a generative model say no, should it have, and how do you change it?

    Start with `demur measure`: it measures a small model that comes with the package.
    """


def _terminated(*_: object) -> None:
    """What a scheduler sends ends like Ctrl-C: nothing half-written, exit 130; also where a shell had Ctrl-C
    ignored (a job in the background of a script)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def main(argv: list[str] | None = None) -> None:
    """Run a command and exit with its code; errors are one sentence on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):  # what a terminal cannot show is spelled out, and ends nothing
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code: Any = demur.main(argv, prog_name="demur", standalone_mode=False)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        goes_on = bool({*(sys.argv[1:] if argv is None else argv)[:1]} & RESUMED)
        left = "the same command goes on where it stopped" if goes_on else "what was in work was not written"
        click.echo(f"interrupted; {left}", err=True)
        code = INTERRUPTED
    except DemurError as error:
        click.echo(f"error: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:  # the reader of our output went away (`demur ... | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:  # a full disk, say; files are written whole or not at all
        click.echo(f"error: {error.filename or 'output'}: {error.strerror or error}", err=True)
        code = BadInput.exit_code
    sys.exit(code if isinstance(code, int) else 0)
