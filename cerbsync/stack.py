"""Where the management API is, and who signs: the outputs of the deployed stack, and the normal AWS credentials."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.text import one_line

if TYPE_CHECKING:
    from boto3 import Session

DEFAULT_STACK = "cerberus-sync"
_SERVICE = "execute-api"


@dataclass(frozen=True)
class Deployment:
    """The deployed stack. ``outputs`` are empty if the API's address was given by ``--url``."""

    url: str
    region: str
    outputs: dict[str, str]


def aws_session(profile: str, region: str) -> "Session":
    """The AWS credentials and region that every AWS tool finds: options, environment, profile, SSO, instance."""
    from boto3 import Session
    from botocore.exceptions import ProfileNotFound

    try:
        return Session(profile_name=profile or None, region_name=region or None)
    except ProfileNotFound:
        raise CommandFailed(
            Problem.NO_CREDENTIALS,
            f"there is no AWS profile {one_line(profile)}",
            "`aws configure list-profiles` shows those that there are",
            status=Exit.NOT_ALLOWED,
        ) from None


def find(session: "Session", stack: str, url: str) -> Deployment:
    """Where the API of the stack is; with a ``url`` nothing is asked. Raises CommandFailed."""
    if url:
        return Deployment(checked_url(url), _region(session, url), {})
    region = _region(session, "")
    outputs = _outputs(session, stack, region)
    if "ApiUrl" not in outputs:
        raise CommandFailed(
            Problem.STACK_NOT_FOUND,
            f"the stack {stack} in {region} has no output ApiUrl, so it is not a Synchronization Manager",
            "name the right stack with --stack, or the API's address with --url",
        )
    return Deployment(checked_url(outputs["ApiUrl"]), region, outputs)


def checked_url(url: str) -> str:
    """The URL, if it is one that a signed request may go to: HTTPS, or HTTP on this machine."""
    try:
        parts = urlsplit(url)
        here = parts.hostname in ("127.0.0.1", "localhost", "::1")
        valid = bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and here))
        valid = valid and not parts.username and not parts.password and not parts.query and not parts.fragment
    except ValueError:
        valid = False
    if not valid:
        raise CommandFailed(
            Problem.USAGE,
            "--url is not the address of a management API",
            "give the stack's output ApiUrl, for example https://abc123.execute-api.eu-central-1.amazonaws.com/v1",
            status=Exit.USAGE,
        )
    return url.rstrip("/")


def signer(session: "Session", region: str) -> Any:
    """Signs each request with the AWS credentials of the moment (Signature Version 4). Raises CommandFailed."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError
    from requests import PreparedRequest
    from requests.auth import AuthBase

    try:
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise _no_credentials(error) from None
    if credentials is None:
        raise _no_credentials(None)
    usable = credentials

    class Signed(AuthBase):
        def __call__(self, request: PreparedRequest) -> PreparedRequest:
            try:
                frozen = usable.get_frozen_credentials()  # botocore renews them before they end
            except BotoCoreError as error:
                raise _no_credentials(error) from None
            body = request.body or b""
            # Headers that a proxy may change are not signed: only the host and the type of the content.
            kept = {name: value for name, value in request.headers.items() if name.lower() == "content-type"}
            to_sign = AWSRequest(request.method, request.url, kept, body)
            SigV4Auth(frozen, _SERVICE, region).add_auth(to_sign)
            request.headers.update(dict(to_sign.headers.items()))
            return request

    return Signed()


def _no_credentials(error: Exception | None) -> CommandFailed:
    kind = f" ({type(error).__name__})" if error else ""
    return CommandFailed(
        Problem.NO_CREDENTIALS,
        f"no usable AWS credentials were found{kind}",
        "log in as for every AWS tool (`aws sso login`, `aws configure`, AWS_PROFILE or --profile)",
        status=Exit.NOT_ALLOWED,
    )


def _region(session: "Session", url: str) -> str:
    """The region: of the API's own host name, or the configured one. Raises CommandFailed."""
    labels = (urlsplit(url).hostname or "").split(".")
    if len(labels) > 3 and labels[1] == _SERVICE:
        return labels[2]
    configured = session.region_name
    if not configured:
        raise CommandFailed(
            Problem.NO_REGION,
            "no AWS region is configured",
            "give --region, or set AWS_REGION, for example to eu-central-1",
            status=Exit.USAGE,
        )
    return str(configured)


def _outputs(session: "Session", stack: str, region: str) -> dict[str, str]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        client = session.client("cloudformation", region_name=region)
        described = client.describe_stacks(StackName=stack)["Stacks"][0]
    except NoCredentialsError as error:
        raise _no_credentials(error) from None
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code == "ValidationError":
            raise CommandFailed(
                Problem.STACK_NOT_FOUND,
                f"there is no stack {one_line(stack)} in {region}",
                "name the stack with --stack and the region with --region, or deploy it (docs/guide.md)",
            ) from None
        raise CommandFailed(
            Problem.NOT_PERMITTED,
            f"the stack {one_line(stack)} in {region} cannot be looked at ({one_line(code)})",
            "permit cloudformation:DescribeStacks, or give the API's address with --url",
            status=Exit.NOT_ALLOWED,
        ) from None
    except (BotoCoreError, ValueError) as error:
        raise CommandFailed(
            Problem.STACK_UNREADABLE,
            f"the stack {one_line(stack)} in {region} cannot be looked at ({type(error).__name__})",
            "check --region and the network, or give the API's address with --url",
        ) from None
    return {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", ())}
