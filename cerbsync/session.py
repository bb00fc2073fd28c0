"""One command at work: the options that all commands share, the output, and the management API."""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, wraps
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cerbsync.errors import Exit
from cerbsync.output import Output

if TYPE_CHECKING:
    from boto3 import Session as AwsSession

    from cerbsync.api import Api
    from cerbsync.stack import Deployment

_WHERE = "Where the stack is"
_HOW = "Input and output"

Stack = Annotated[
    str, typer.Option("--stack", envvar="CERBSYNC_STACK", help="Name of the deployed stack.", rich_help_panel=_WHERE)
]
Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="CERBSYNC_URL",
        help="Address of the management API, instead of the stack's.",
        rich_help_panel=_WHERE,
    ),
]
Profile = Annotated[str, typer.Option("--profile", help="AWS profile (default: AWS_PROFILE).", rich_help_panel=_WHERE)]
Region = Annotated[str, typer.Option("--region", help="AWS region (default: AWS_REGION).", rich_help_panel=_WHERE)]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, with times in UTC.", rich_help_panel=_HOW)]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Write data and errors only, no progress or advice.", rich_help_panel=_HOW)
]
NoInput = Annotated[bool, typer.Option("--no-input", help="Never ask; fail instead.", rich_help_panel=_HOW)]


@dataclass(frozen=True)
class Common:
    """The options that all commands share."""

    stack: Stack = "cerberus-sync"
    url: Url = ""
    profile: Profile = ""
    region: Region = ""
    as_json: AsJson = False
    quiet: Quiet = False
    no_input: NoInput = False


class Session:
    """One command at work. A connection to AWS is opened when it is first used."""

    def __init__(self, common: Common) -> None:
        self.common = common
        self.output = Output(as_json=common.as_json, quiet=common.quiet, no_input=common.no_input)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    @cached_property
    def aws(self) -> "AwsSession":
        """The AWS credentials and region. Raises CommandFailed."""
        from cerbsync.stack import aws_session

        return aws_session(self.common.profile, self.common.region)

    @cached_property
    def deployment(self) -> "Deployment":
        """The deployed stack. Raises CommandFailed."""
        from cerbsync.stack import find

        return find(self.aws, self.common.stack, self.common.url)

    @cached_property
    def api(self) -> "Api":
        """The management API, called with a token of the user pool if there is one, otherwise with the AWS credentials.

        Raises CommandFailed.
        """
        from cerbsync.api import Api, Bearer
        from cerbsync.login import TOKEN_VARIABLE, KeyStore, current_token
        from cerbsync.stack import signer

        url = self.deployment.url
        token = os.environ.get(TOKEN_VARIABLE) or current_token(KeyStore(), url)
        return Api(url, Bearer(token) if token else signer(self.aws, self.deployment.region))


def installed_version() -> str:
    """The version of the installed command line."""
    try:
        return version("cerbsync")
    except PackageNotFoundError:
        return "not installed"


def command(app: typer.Typer, name: str, *, panel: str) -> Callable[[Callable[..., Exit]], Callable[..., Exit]]:
    """Register a function as a command. It takes a ``Session`` first and returns the exit status; the shared options
    are added to its own.
    """

    def register(function: Callable[..., Exit]) -> Callable[..., Exit]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        shared = list(inspect.signature(Common, eval_str=True).parameters.values())

        @wraps(function)
        def run(**given: Any) -> Exit:
            common = Common(**{parameter.name: given.pop(parameter.name) for parameter in shared})
            return function(Session(common), **given)

        keyword = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared)]
        run.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined] # what typer reads
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in keyword}
        app.command(name, rich_help_panel=panel, no_args_is_help=False)(run)
        return function

    return register
