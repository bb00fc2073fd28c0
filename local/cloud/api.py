"""A client that calls the management API with signed requests, as an AWS SDK user does.

This module is separate from ``local.cloud.cloud``, because this client does not depend on the machine: a stack in AWS
is called in the same way.
"""

import json
from dataclasses import dataclass
from typing import Any

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@dataclass(frozen=True)
class Reply:
    """The status and decoded JSON body of one request: None for an empty body, the text for any other."""

    status: int
    body: Any


class ManagementApi:
    """The API at ``base_url``, called with the given key (AWS Signature Version 4)."""

    def __init__(self, base_url: str, region: str, access_key: str, secret_key: str) -> None:
        self._base_url = base_url
        self._auth = SigV4Auth(Credentials(access_key, secret_key), "execute-api", region)

    def call(self, method: str, path: str, body: object = None, *, signed: bool = True) -> Reply:
        """Send ``body`` as JSON, if any, to ``path`` (query included)."""
        data = b"" if body is None else json.dumps(body).encode()
        request = AWSRequest(method, self._base_url + path, {"Content-Type": "application/json"}, data)
        if signed:
            self._auth.add_auth(request)
        with requests.Session() as session:
            session.trust_env = False  # the local cloud is reached without a proxy
            reply = session.request(
                method, self._base_url + path, data=data, headers=dict(request.headers.items()), timeout=60
            )
        try:
            return Reply(reply.status_code, reply.json() if reply.content else None)
        except requests.exceptions.JSONDecodeError:
            return Reply(reply.status_code, reply.text)
