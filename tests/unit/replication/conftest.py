"""Servers in memory with content of every part, and the plans between them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local.fakes.runtime import TickingRuntime
from local.fakes.servers import FACTS, FakeServer
from replication.model import PartName, Policy
from replication.plan import Plan, make_plan
from replication.ports import (
    Authentication,
    AuthenticationSource,
    Listener,
    MimeMapping,
    ServerFacts,
)
from replication.primary import read_primary

SECRET = "planted-secret-4711"

CONTENT: dict[str, Any] = {
    "settings": (
        '<?xml version="1.0" encoding="UTF-8"?>\n<settings><timeout>30</timeout>'
        f"<soap><port>8443</port></soap><smtp password='{SECRET}'/></settings>"
    ),
    "authentication": Authentication(
        "<sources><ldap name='a'/><ad name='b'/></sources>",
        (AuthenticationSource(True, "a", "ldap", ""), AuthenticationSource(True, "b", "ad", "")),
    ),
    "users": f'<users><user name="ann"><hash>{SECRET}</hash></user><user name="bob"/></users>',
    "groups": '<groups><group name="staff"/></groups>',
    "event_rules": "<rules><rule name='r'><to>ann</to></rule></rules>",
    "mime_mappings": (MimeMapping("txt", "text/plain"), MimeMapping("png", "image/png")),
    "blocked_addresses": "<ips><ip>192.0.2.1</ip></ips>",
    "auto_blocked_addresses": "<auto><ip>198.51.100.1</ip></auto>",
    "account_requests": "<requests/>",
    "listeners": (
        Listener(1, "10.0.0.1", 1, {"listenPort": 21, "welcome": "hi", "passiveSettings": {"ip": "192.0.2.10"}}),
        Listener(2, "10.0.0.1", 2, {"listenPort": 22, "welcome": "hi"}),
    ),
}


type ServerFactory = Callable[..., FakeServer]


@pytest.fixture
def make_server() -> ServerFactory:
    """A server with the usual content; keyword arguments replace content, or attributes of the server."""

    def make(**changes: Any) -> FakeServer:
        content = {name: changes.pop(name, value) for name, value in CONTENT.items()}
        return FakeServer(content, **changes)

    return make


@pytest.fixture
def make_primary(make_server: ServerFactory) -> ServerFactory:
    """The usual primary: another address, host name and licence than the usual backup's."""

    def make(**changes: Any) -> FakeServer:
        licence = replace(FACTS.licence, company="P", issued=1, installed=2)
        identity: dict[str, Any] = {
            "label": "primary (files0.example:8443)",
            "address": ("files0.example", 8443),
            "server_facts": replace(FACTS, hostname="primary", licence=licence),
        }
        return make_server(**(identity | changes))

    return make


@pytest.fixture
def clock() -> TickingRuntime:
    return TickingRuntime()


@pytest.fixture
def facts() -> ServerFacts:
    return FACTS


@pytest.fixture
def secret() -> str:
    """A value that is in the documents of every server and must be in no message."""
    return SECRET


type PlanFactory = Callable[..., Plan]


@pytest.fixture
def make_plan_between(make_server: ServerFactory, make_primary: ServerFactory) -> PlanFactory:
    """The plan that leads from a backup's content to a primary's; ``own`` and ``source`` replace the usual content."""

    def make(own: dict[str, Any], source: dict[str, Any], policy: Policy | None = None, suspicion: str = "") -> Plan:
        policy = policy or Policy(parts=frozenset(PartName))
        primary = read_primary(make_primary(**source), policy.parts, accept_empty=True)
        return make_plan(primary, make_server(**own), FACTS.features, policy, {}, suspicion)

    return make
