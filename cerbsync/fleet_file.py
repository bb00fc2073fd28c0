"""``fleet.yaml``: the whole wish for a fleet in one file without a secret.

The models are the file's JSON Schema (docs/fleet.schema.json), too. A field that a
listed backup does not mention has its default. A setting of the fleet that is not mentioned stays as it is.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.text import one_line
from cerbsync.yaml_text import YamlError, dumped, parsed

DEFAULT_NAME = "fleet.yaml"
PARTS = (
    "settings",
    "authentication",
    "accounts",
    "event_rules",
    "mime_mappings",
    "ip_block_lists",
    "account_requests",
    "listeners",
)
_FINGERPRINT = re.compile(r"^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$")
_MOST_ERRORS = 20
_HEADER = """\
# The fleet as it should be. `cerbsync apply` shows what differs from the stack, and changes it.
# No passwords are in here: `cerbsync apply` asks for those it needs.
"""


class Model(BaseModel):
    """Refuses unknown keys, and values of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


def _pin(value: str) -> str:
    if not _FINGERPRINT.match(value):
        raise ValueError("a fingerprint has 64 hexadecimal digits, with or without colons (`cerbsync init` shows it)")
    return value.replace(":", "").lower()


Pin = Annotated[str, AfterValidator(_pin)]
Part = Literal[
    "settings",
    "authentication",
    "accounts",
    "event_rules",
    "mime_mappings",
    "ip_block_lists",
    "account_requests",
    "listeners",
]
Parts = Annotated[list[Part], Field(min_length=1, description="What is replicated, instead of the usual parts.")]
KeepList = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=256)]],
    Field(
        max_length=200,
        description="Keep patterns: paths in the settings that each backup keeps. `!/path` is copied all the same.",
    ),
]


class Server(Model):
    """A Cerberus server: where its SOAP service is, and how its certificate is trusted.

    Without ``pins`` and ``ca``, the public certification authorities are trusted.
    """

    host: Annotated[str, Field(min_length=1, max_length=253, description="Host name or address, no URL.")]
    port: Annotated[int, Field(ge=1, le=65535, description="Port of the SOAP service.")]
    username: Annotated[str, Field(min_length=1, max_length=256, description="The primary administrator's name.")]
    pins: Annotated[
        list[Pin] | None,
        Field(
            min_length=1, max_length=2, description="SHA-256 fingerprints of the certificate; a second for a renewal."
        ),
    ] = None
    ca: Annotated[
        str | None,
        Field(max_length=70_000, description="Own certification authority: a file beside this one, or the PEM text."),
    ] = None

    @model_validator(mode="after")
    def _one_trust(self) -> "Server":
        if self.pins and self.ca:
            raise ValueError("give pins or ca, not both")
        return self


class Backup(Server):
    """A backup, under its id."""

    enabled: Annotated[bool, Field(description="Whether runs include it.")] = True
    report_only: Annotated[bool, Field(description="Differences are reported and never repaired.")] = False
    parts: Parts | None = None
    keep: KeepList = []
    tags: Annotated[dict[str, str], Field(max_length=50, description="Free labels.")] = {}


class Schedule(Model):
    """When runs come by themselves."""

    enabled: Annotated[bool | None, Field(description="Whether the rule starts runs.")] = None
    interval_minutes: Annotated[int | None, Field(ge=1, le=1_000_000, description="Minutes between runs.")] = None
    on_change_polling: Annotated[bool | None, Field(description="Look for changes of the primary every minute.")] = None
    full_verification_minutes: Annotated[
        int | None,
        Field(ge=0, le=10080, description="For so long a verified backup is not read while nothing changed."),
    ] = None


Number = Annotated[int | None, Field(ge=0, le=1_000_000)]
Share = Annotated[float | None, Field(ge=0, le=1, strict=False)]


class Limits(Model):
    """How many users, and how many groups, one push may remove or disable before it waits for an approval."""

    removal_floor: Number = None
    removal_share: Share = None
    removal_maximum: Number = None
    disabling_floor: Number = None
    disabling_share: Share = None
    disabling_maximum: Number = None


class Approvals(Model):
    """The number of people who approve, the age of an approval, and widened access."""

    approval_by_another: Annotated[bool | None, Field(description="An approval needs two people.")] = None
    approval_hours: Annotated[int | None, Field(ge=1, le=720, description="Hours until an approval ends.")] = None
    block_widened_access: Annotated[bool | None, Field(description="What widens access waits, too.")] = None
    personal_roles: Annotated[
        list[str] | None, Field(max_length=50, description="ARNs of roles whose sessions are named after a person.")
    ] = None


class Connection(Model):
    """How the stack speaks to the servers."""

    connect_timeout: Annotated[float | None, Field(ge=0.5, le=60, strict=False, description="Seconds.")] = None
    read_timeout: Annotated[float | None, Field(ge=1, le=600, strict=False, description="Seconds.")] = None
    reply_limit_mb: Annotated[int | None, Field(ge=1, le=1024, description="Megabytes of one reply.")] = None


class Fleet(Model):
    """The file as a whole."""

    version: Annotated[Literal[1], Field(description="Version of this file's form.")]
    primary: Server
    backups: Annotated[dict[str, Backup], Field(max_length=1000, description="The backups by their ids.")] = {}
    schedule: Schedule = Schedule()
    limits: Limits = Limits()
    approvals: Approvals = Approvals()
    connection: Connection = Connection()
    parts: Parts | None = None
    keep: KeepList | None = None
    replicate_auto_block_list: Annotated[
        bool | None, Field(description="Copy addresses that the primary blocked by itself, too.")
    ] = None

    @model_validator(mode="after")
    def _ids(self) -> "Fleet":
        for name in self.backups:
            if not re.match(r"^[a-z0-9][a-z0-9-]{0,62}$", name) or name == "primary":
                raise ValueError(
                    f"{one_line(name)[:80]} cannot be an id of a backup: use small letters, digits and hyphens, for "
                    "example ftp3, and not the word primary"
                )
        return self

    def settings(self) -> dict[str, Any]:
        """The mentioned settings of the fleet, by the names that the API gives them; limits by their own names."""
        mentioned: dict[str, Any] = {}
        for section in (self.schedule, self.approvals, self.connection):
            mentioned |= section.model_dump(exclude_none=True)
        if "parts" in self.model_fields_set:
            mentioned["parts"] = self.parts
        if self.keep is not None:
            mentioned["rules"] = self.keep
        if self.replicate_auto_block_list is not None:
            mentioned["replicate_auto_block_list"] = self.replicate_auto_block_list
        limits = self.limits.model_dump(exclude_none=True)
        if limits:
            mentioned["limits"] = limits
        return mentioned


def read(path: Path) -> Fleet:
    """The fleet in the file. Raises CommandFailed with the line of each mistake."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise CommandFailed(
            Problem.FILE_MISSING,
            f"there is no file {path}",
            "`cerbsync init` makes one, `cerbsync export` writes it from what is deployed, --file names another one",
            status=Exit.USAGE,
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(
            Problem.FILE_INVALID,
            f"{path} cannot be read ({type(error).__name__})",
            "mend it, or give --file",
            status=Exit.USAGE,
        ) from None
    return parse(text, path)


def parse(text: str, path: Path) -> Fleet:
    """The fleet in the text of the file at ``path``, beside which its ``ca`` files are. Raises CommandFailed."""
    try:
        document, lines = parsed(text.removeprefix("\ufeff"))
    except YamlError as error:
        raise _invalid(path, [(error.line, error.message)]) from None
    if not isinstance(document, dict):
        raise _invalid(path, [(1, "it has to begin with keys such as version, primary and backups")])
    try:
        fleet = Fleet.model_validate(document)
    except ValidationError as error:
        raise _invalid(path, [_mistake(dict(one), lines) for one in error.errors()]) from None
    for name, server in (("primary", fleet.primary), *fleet.backups.items()):
        if server.ca is not None and "-----BEGIN" not in server.ca:
            server.ca = _certificates(path, name, server.ca)
    return fleet


def _certificates(path: Path, name: str, file: str) -> str:
    wanted = path.parent / file
    try:
        return wanted.read_text("utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise _invalid(path, [(0, f"{name}: ca: {one_line(wanted)} cannot be read ({type(error).__name__})")]) from None


def _mistake(error: dict[str, Any], lines: dict[Any, int]) -> tuple[int, str]:
    # Pydantic adds names of its own to the place, such as a validator's: the longest known beginning is the place.
    place = tuple(step for step in error["loc"] if step != "[key]")
    # The file has a key such as 33 as a text; an entry of a list has a number.
    place = next((one for one in (place, tuple(map(str, place))) if one in lines), place)
    listed = place
    while listed and listed not in lines:
        listed = listed[:-1]
    name = ".".join(one_line(step)[:80] for step in place) or "the file"
    return lines.get(listed, 0), f"{name}: {_in_words(error)}"


_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is no known key",
    "string_type": "has to be a text; put a number or truth value in quotes",
    "int_type": "has to be a whole number, without quotes",
    "int_from_float": "has to be a whole number",
    "float_type": "has to be a number, without quotes",
    "bool_type": "has to be true or false",
    "list_type": "has to be a list",
    "dict_type": "has to be keys with values, one per line",
    "model_type": "has to be keys with values, one per line",
    "model_attributes_type": "has to be keys with values, one per line",
    "greater_than_equal": "has to be at least {ge}",
    "less_than_equal": "has to be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "has more than {max_length} characters",
    "too_long": "has more than {max_length} entries",
    "too_short": "must not be empty; leave the key out instead",
    "literal_error": "has to be one of {expected}",
    "value_error": "{error}",
}
"""The mistakes that pydantic finds, in words. A test goes over all of them."""


def _in_words(error: dict[str, Any]) -> str:
    words = _WORDS.get(error["type"])
    return words.format(**error.get("ctx", {})) if words else str(error["msg"])


def _invalid(path: Path, mistakes: list[tuple[int, str]]) -> CommandFailed:
    lines = [f"line {line}: {text}" if line else text for line, text in mistakes[:_MOST_ERRORS]]
    if len(mistakes) > _MOST_ERRORS:
        lines.append(f"and {len(mistakes) - _MOST_ERRORS} more")
    first = f"{path}, {lines[0]}" if len(lines) == 1 else f"{path} has {len(mistakes)} mistakes"
    return CommandFailed(
        Problem.FILE_INVALID,
        first,
        "mend the file and type the command again; docs/fleet.schema.json describes every key",
        status=Exit.USAGE,
        details=tuple(lines) if len(lines) > 1 else (),
    )


def write(path: Path, document: dict[str, Any], *, replace: bool) -> None:
    """Write a fleet file, which ``document`` must be. Raises CommandFailed."""
    text = _HEADER + dumped(document)
    try:
        with path.open("w" if replace else "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise CommandFailed(
            Problem.FILE_EXISTS,
            f"{path} is there already",
            "give --force to replace it, or --file with another name",
            status=Exit.USAGE,
        ) from None
    except OSError as error:
        raise CommandFailed(
            Problem.FILE_UNWRITABLE,
            f"{path} cannot be written ({type(error).__name__})",
            "give --file with another name",
        ) from None


def schema() -> dict[str, Any]:
    """The file's JSON Schema, by which editors complete it."""
    document = Fleet.model_json_schema()
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "fleet.yaml"
    return document
