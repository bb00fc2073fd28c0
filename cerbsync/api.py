"""The management API as docs/openapi.json describes it, called with signed requests."""

import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.util.retry import Retry

from cerbsync.errors import CommandFailed, Exit, Problem
from cerbsync.states import Document
from cerbsync.text import one_line, plain

_TIMEOUT = (10.0, 40.0)
"""Seconds for the connection, and for a reply. API Gateway answers within 29 seconds, if only with an error."""
_LARGEST_REPLY = 16 * 1024 * 1024
"""Bytes. A function's answer has 6 MB at most."""
_MOST_PAGES = 10_000

# Only requests that change nothing are sent again by themselves.
_RETRY = Retry(
    total=3,
    backoff_factor=0.5,
    status_forcelist=(429, 502, 503, 504),
    allowed_methods=("GET",),
    respect_retry_after_header=True,
    raise_on_status=False,
)


class ApiRefused(CommandFailed):
    """The API answered with an error. ``http_status`` is that of the reply."""

    def __init__(self, error: CommandFailed, http_status: int) -> None:
        super().__init__(
            error.reason,
            error.message,
            error.next_step,
            server=error.server,
            status=error.status,
            details=error.details,
        )
        self.http_status = http_status


class Bearer(AuthBase):
    """Sends an ID token of the user pool with each request."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._token
        return request


class Api:
    """The API at ``url``. ``auth`` signs the requests. Every method raises CommandFailed."""

    def __init__(self, url: str, auth: AuthBase, session: requests.Session | None = None) -> None:
        self.url = url.rstrip("/")
        self.last_date = ""
        """The time that the last reply bears, as HTTP writes it."""
        self._auth = auth
        self._session = session or requests.Session()
        if session is None:
            self._session.mount("https://", HTTPAdapter(max_retries=_RETRY))
            self._session.mount("http://", HTTPAdapter(max_retries=_RETRY))

    def get(self, *path: str, **query: object) -> Document:
        return self._call("GET", path, query=query)

    def post(self, *path: str, body: object = None, version: str = "") -> Document:
        return self._call("POST", path, body=body, version=version)

    def put(self, *path: str, body: object, version: str = "") -> Document:
        return self._call("PUT", path, body=body, version=version)

    def patch(self, *path: str, body: object, version: str = "") -> Document:
        return self._call("PATCH", path, body=body, version=version)

    def delete(self, *path: str, version: str = "") -> Document:
        return self._call("DELETE", path, version=version)

    def pages(self, *path: str, **query: object) -> Iterator[Document]:
        """All pages of a list, one request each."""
        following: object = None
        for _ in range(_MOST_PAGES):
            page = self.get(*path, **query, next=following)
            yield page
            following = page.get("next")
            if not following:
                return
        raise CommandFailed(
            Problem.API_REPLY_INVALID, f"/{'/'.join(path)} has more than {_MOST_PAGES} pages", "type `cerbsync doctor`"
        )

    def entries(self, *path: str, of: str, most: int = 0, **query: object) -> list[Document]:
        """The entries under the key ``of`` of all pages; of more than ``most`` only the first ones, unless it is 0."""
        received: list[Document] = []
        for page in self.pages(*path, **query):
            received.extend(page.get(of) or ())
            if most and len(received) >= most:
                return received[:most]
        return received

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        version: str = "",
    ) -> Document:
        where = "/" + "/".join(quote(part, safe="") for part in path)
        headers = {"Accept": "application/json", "User-Agent": "cerbsync"}
        if version:
            headers["If-Match"] = version
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        try:
            with self._session.request(
                method,
                self.url + where,
                params=given,
                data=data,
                headers=headers,
                auth=self._auth,
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as reply:
                text = _bounded(reply)
                status, tag = reply.status_code, reply.headers.get("ETag", "")
                self.last_date = reply.headers.get("Date", "")
        except requests.RequestException as error:
            raise CommandFailed(
                Problem.API_UNREACHABLE,
                f"the management API at {self.url} did not answer ({_why(error)})",
                "type `cerbsync doctor`; if the network is at fault, type the command again",
            ) from None
        document = _parsed(text, status, method, where)
        if status >= 300:
            raise refusal(method, where, status, document)
        if tag:
            document.setdefault("etag", tag)
        return document


def _bounded(reply: requests.Response) -> bytes:
    received = bytearray()
    for piece in reply.iter_content(65_536):
        received += piece
        if len(received) > _LARGEST_REPLY:
            raise CommandFailed(
                Problem.API_REPLY_INVALID,
                f"a reply of the management API has more than {_LARGEST_REPLY:,} bytes",
                "check that --url, or the stack's output ApiUrl, is the management API",
            )
    return bytes(received)


def _parsed(text: bytes, status: int, method: str, where: str) -> Document:
    if not text:
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return document
    raise CommandFailed(
        Problem.API_REPLY_INVALID,
        f"{method} {where} was answered with status {status}, and not with a JSON document",
        "check that --url, or the stack's output ApiUrl, is the management API",
    )


def _why(error: requests.RequestException) -> str:
    """The kind of the error alone: the library's text can hold the signed headers."""
    kinds = (
        (requests.exceptions.SSLError, "its certificate is not trusted"),
        (requests.exceptions.ConnectTimeout, "no connection within 10 seconds"),
        (requests.exceptions.ReadTimeout, "no reply within 40 seconds"),
        (requests.exceptions.ProxyError, "the proxy refused"),
        (requests.exceptions.ConnectionError, "no connection"),
        (requests.exceptions.InvalidURL, "the address is not a URL"),
        (requests.exceptions.MissingSchema, "the address is not a URL"),
    )
    return next((text for kind, text in kinds if isinstance(error, kind)), type(error).__name__)


def refusal(method: str, where: str, status: int, document: Document) -> ApiRefused:
    """The error that a reply stands for: a problem document of the API (RFC 9457), or a message of API Gateway."""
    if "reason" in document:
        errors = document.get("errors")
        details = tuple(
            f"{one_line(error.get('field'))}: {one_line(error.get('reason'))}"
            for error in (errors if isinstance(errors, list) else ())
            if isinstance(error, dict)
        )
        message = one_line(document.get("detail", "")) or one_line(document.get("title", ""))
        cause = CommandFailed(
            plain(document["reason"]),
            message,
            one_line(document.get("remedy", "")),
            status=Exit.NOT_ALLOWED if status in (401, 403) else Exit.FAILED,
            details=tuple(line for line in details if line not in message),
        )
    elif status in (401, 403):
        cause = CommandFailed(
            Problem.NOT_PERMITTED,
            f"{method} {where} is not permitted ({one_line(document.get('message', status))[:200]})",
            "`cerbsync doctor` tells with which log-in you are; docs/iam.md has the permissions of each command",
            status=Exit.NOT_ALLOWED,
        )
    else:
        cause = CommandFailed(
            Problem.API_REPLY_INVALID,
            f"{method} {where} was answered with status {status} ({one_line(document.get('message', ''))[:200]})",
            "type the command again in a minute; `cerbsync doctor` looks at the stack",
        )
    return ApiRefused(cause, status)
