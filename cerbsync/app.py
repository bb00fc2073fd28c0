"""The command line as a whole: all commands, and how a command ends."""

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from cerbsync.commands import decide, fleet, look, register
from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.output import Output
from cerbsync.session import installed_version

DEBUG_VARIABLE = "CERBSYNC_DEBUG"
"""With it, an error of the program itself ends with its stack trace."""

app = typer.Typer(
    name="cerbsync",
    help="Keep backup Cerberus FTP Servers identical to a primary. `cerbsync COMMAND --help` explains a command.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
look.add_to(app)
decide.add_to(app)
register.add_to(app)
fleet.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"cerbsync {installed_version()}")
        raise typer.Exit


@app.callback()
def _whole(
    version_wanted: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Keep backup Cerberus FTP Servers identical to a primary."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    output = Output(as_json="--json" in given, quiet=False, no_input=True)
    try:
        return int(app(given, standalone_mode=False) or Exit.OK)
    except CommandFailed as error:
        output.failure(error)
        return error.status
    except TyperException as error:
        command = " ".join(["cerbsync", *given[:1]]) if given and not given[0].startswith("-") else "cerbsync"
        output.failure(
            CommandFailed(Problem.USAGE, error.format_message(), f"`{command} --help` shows how", status=Exit.USAGE)
        )
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        output.failure(
            CommandFailed(
                Problem.INTERRUPTED,
                "interrupted; a run that has been started goes on in the stack",
                "`cerbsync status` shows how things are",
                status=Exit.INTERRUPTED,
            )
        )
        return Exit.INTERRUPTED
    except Exception as error:  # a person gets one line; a developer asks for the rest
        if os.environ.get(DEBUG_VARIABLE):
            raise
        output.failure(
            CommandFailed(
                Problem.INTERNAL_ERROR,
                f"the program failed ({type(error).__name__}); a stack of another version answers in other forms",
                f"`cerbsync doctor` compares the versions; {DEBUG_VARIABLE}=1 makes the command show where it failed",
            )
        )
        return Exit.FAILED
