"""The output of a command: data on standard output, everything else on standard error, and JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.text import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_NO_WIDTH = 1000

STYLES = {
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "quiet": "dim",
    "name": "bold",
    "added": "green",
    "removed": "red",
    "changed": "yellow",
    "command": "cyan",
}


class Output:
    """Where a command writes to. ``as_json``: documents instead of texts; ``quiet``: neither progress nor advice;
    ``asks``: questions are allowed.
    """

    def __init__(self, *, as_json: bool, quiet: bool, no_input: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._no_input = no_input
        self._consoles: dict[int, Console] = {}

    @property
    def asks(self) -> bool:
        """Whether a person can be asked: there is a terminal, and neither ``--no-input`` nor ``--json`` is given."""
        return not self._no_input and not self.as_json and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def out(self) -> "Console":
        """Standard output, for texts."""
        return self._console(sys.stdout)

    @property
    def err(self) -> "Console":
        """Standard error, for progress, questions and advice."""
        return self._console(sys.stderr)

    def document(self, document: object) -> None:
        """Write one JSON document, if the user wants JSON."""
        if self.as_json:
            print(json.dumps(document, indent=2, ensure_ascii=False), file=sys.stdout)

    def event(self, event: object) -> None:
        """Write one line of JSON, for work that takes long."""
        if self.as_json:
            print(json.dumps(event, ensure_ascii=False), file=sys.stdout, flush=True)

    def show(self, line: object = "", style: str = "") -> None:
        """Write a line of data, unless the user wants JSON."""
        if not self.as_json:
            self.out.print(_text(line, style), soft_wrap=True)

    def table(self, table: "Table") -> None:
        """Write a table of data, unless the user wants JSON."""
        if not self.as_json:
            self.out.print(table)

    def say(self, line: object = "", style: str = "") -> None:
        """Write a line beside the data: what happens, or what to do next."""
        if not self.quiet:
            self.err.print(_text(line, style), soft_wrap=True)

    def advise(self, why: str, *commands: str) -> None:
        """Tell what to type next."""
        self.say(why)
        for command in commands:
            self.say(f"  {command}", "command")

    def failure(self, error: CommandFailed) -> None:
        """Tell the error: what happened, to which server, and what to do next."""
        if self.as_json:
            print(json.dumps(error.document(), ensure_ascii=False), file=sys.stderr)
            return
        where = f"{error.server}: " if error.server else ""
        self.err.print(_text(f"Error: {where}{error.message}", "bad"), soft_wrap=True)
        for line in error.details:
            self.err.print(_text(f"  {line}"), soft_wrap=True)
        if error.next_step:
            self.err.print(_text(f"Next: {error.next_step}"), soft_wrap=True)

    def confirm(self, question: str, *, hash_given: str, hash_wanted: str, repeat: str) -> None:
        """Return if the user confirms ``hash_wanted``, by ``--yes HASH`` or by an answer to the question.

        ``repeat`` is the command that does it without a question. Raises CommandFailed if nobody confirms.
        """
        if hash_given:
            if len(hash_given) >= 8 and hash_wanted.startswith(hash_given.lower()):
                return
            raise CommandFailed(
                Problem.HASH_DIFFERS,
                f"--yes names {plain(hash_given)[:64]}, and this is {hash_wanted}: something has changed meanwhile",
                f"look at what is shown now, then type `{repeat}`",
                status=Exit.NOT_CONFIRMED,
            )
        if not self.asks:
            raise CommandFailed(
                Problem.NEEDS_CONFIRMATION,
                "this writes, and nobody can be asked here",
                f"type `{repeat}`",
                status=Exit.NOT_CONFIRMED,
            )
        if not self.ask_yes(question):
            raise CommandFailed(
                Problem.NOT_CONFIRMED,
                "not confirmed; nothing was done",
                f"`{repeat}` does it later",
                status=Exit.NOT_CONFIRMED,
            )

    def ask_yes(self, question: str) -> bool:
        """Whether the user answers yes; an empty answer is a no."""
        return self.ask(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    def ask(self, question: str) -> str:
        """The user's answer. The question goes to standard error. Raises CommandFailed at the end of the input."""
        self.err.print(_text(question), end="", soft_wrap=True)
        answer = sys.stdin.readline()
        if not answer:
            self.err.print()
            raise CommandFailed(
                Problem.NOT_CONFIRMED,
                "the input ended; nothing was done",
                "type the command again",
                status=Exit.NOT_CONFIRMED,
            )
        return answer.rstrip("\r\n")

    def _console(self, stream: TextIO) -> "Console":
        console = self._consoles.get(id(stream))
        if console is None:
            from rich.console import Console
            from rich.theme import Theme

            # Lines for a file or a pipe are not broken to a width.
            width = None if stream.isatty() else _NO_WIDTH
            console = Console(file=stream, theme=Theme(STYLES), highlight=False, markup=False, emoji=False, width=width)
            self._consoles[id(stream)] = console
        return console


def _text(line: object, style: str = "") -> object:
    from rich.text import Text

    return line if isinstance(line, Text) else Text(plain(line), style=style)


def new_table(*columns: str) -> "Table":
    """A table without lines, whose columns have these heads."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="quiet", show_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def add_row(table: "Table", cells: Sequence[object | tuple[object, str]]) -> None:
    """Add a row of texts; a pair is a text and its style."""
    from rich.text import Text

    table.add_row(
        *(Text(plain(cell[0]), style=cell[1]) if isinstance(cell, tuple) else Text(plain(cell)) for cell in cells)
    )


def folded(lines: Sequence[str], most: int, *, everything: bool) -> Iterable[str]:
    """The lines. Those after ``most`` are counted instead of shown, unless ``everything`` is wanted."""
    if everything or len(lines) <= most + 1:
        yield from lines
        return
    yield from lines[:most]
    yield f"... and {len(lines) - most} more (--all shows them)"
