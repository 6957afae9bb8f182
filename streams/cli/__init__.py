"""The command line: one module a verb (group); parse, call, print, nothing else."""

import logging
import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from schemas.errors import UserError
from streams.cli import console
from streams.system import no_core_dumps

# Who runs a command hears what the command says, not what Kafka's clients retry; a worker sets logging up.
logging.getLogger("streams").addHandler(logging.NullHandler())

# Verb → module of streams.cli that holds it: `app` for a group of verbs, else a function of the verb's name.
# A module is imported only when its verb is called: Presidio and Faust take seconds to import.
GROUPS = ("kafka", "topics", "keys", "known", "rules", "contacts", "quarantine", "grants", "audit", "contracts")
VERBS = ("demo", "worker", "publish", "scrub", "detect", "reverse", "bench", "verify", "doctor", "workbench")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for a failure, 2 for wrong usage."""
    no_core_dumps()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _application(arguments)(args=arguments, prog_name="rmm-scrub", standalone_mode=False)
    except UserError as problem:
        console.error(str(problem), *problem.hints)
        return 1
    except typer.Abort:
        console.error("interrupted")
        return 130
    except typer.Exit as ending:
        return ending.exit_code
    except Exception as problem:
        if (usage := _usage(problem)) is not None:
            console.error(usage, "rmm-scrub --help shows every verb, rmm-scrub VERB --help an example")
            return 2
        if not type(problem).__module__.startswith(("kafka.", "cimpl", "confluent_kafka")):
            raise
        console.error(f"Kafka: {type(problem).__name__}", "is it up? rmm-scrub kafka status, RMM_SCRUB_BOOTSTRAP")
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone: nothing to say to it
        sys.stderr.close()
        return 1
    return code if isinstance(code, int) else 0


def _application(arguments: Sequence[str]) -> typer.Typer:
    """The Typer application, with only the called verb's module imported."""
    application = typer.Typer(
        name="rmm-scrub",
        help="Take computer names and IP addresses out of RMM telemetry while it streams.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @application.callback()
    def _root() -> None:
        """Keeps the verb in the command line even when only one is loaded."""

    called = next((word for word in arguments if not word.startswith("-")), None)
    known = called in (*GROUPS, *VERBS)
    for name in GROUPS if not known else [name for name in GROUPS if name == called]:
        application.add_typer(import_module(f"streams.cli.{name}").app, name=name)
    for name in VERBS if not known else [name for name in VERBS if name == called]:
        module = import_module(f"streams.cli.{name}")
        function = getattr(module, name)
        application.command(name, epilog=getattr(module, "EPILOG", None))(function)
    return application


def _usage(problem: Exception) -> str | None:
    """A usage error's message; click's own classes, which Typer may carry along as a copy."""
    if type(problem).__name__ in {
        "UsageError",
        "BadParameter",
        "MissingParameter",
        "NoSuchOption",
        "BadOptionUsage",
        "BadArgumentUsage",
    }:
        return str(getattr(problem, "format_message", problem.__str__)())
    return None
