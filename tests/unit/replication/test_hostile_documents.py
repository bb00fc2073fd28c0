"""Whatever a document holds: it is compared and planned, or a failure says why not, in room that its budget bounds."""

from __future__ import annotations

import tracemalloc
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import budgets
from common.errors import Failure, Reason
from local.fakes.runtime import FakeRuntime
from local.fakes.servers import FleetServer
from local.fakes.snapshots import PartSnapshots
from replication.guards.approval import Guard
from replication.job import ReplicationJob
from replication.model import Policy, Status
from replication.parts.base import Document, ListDocument
from replication.primary import read_primary
from replication.replicate import replicate

if TYPE_CHECKING:
    from collections.abc import Callable

    from replication.model import Outcome

LONG = "n" * 300
PIECES = [
    "<users>", "</users>", '<user name="ann">', '<user name="ann"/>', "</user>", "<settings>", "</settings>", "<a>",
    "</a>",
    "<a/>" * 50, "<a b='1'/>" * 50, f"<{LONG}/>", f"<a {LONG}='1'/>", f"<a name='{LONG * 20}'>", f"<a xmlns='{LONG}'>",
    f"<a xmlns:p='{LONG}' b='p:'/>", "<p:a>", "text", " ", "\n", "&lt;", "&#1;", "\x01", "]]>", "<![CDATA[<user>]]>",
    "<!-- <user> -->", "<?p?>", "<!DOCTYPE a>", "<?xml version='1.0'?>", "\ufeff", "é", "=", '"',
    "<entry name='soapPort'>",
    "<key>soapPort</key>", "<value>1</value>", "</entry>", "<a>" * 80,
]  # fmt: skip
DOCUMENTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
READS = ("settings", "users", "groups", "event_rules", "blocked_addresses", "account_requests")
REASONS = {Reason.DOCUMENT_MALFORMED, Reason.REPLY_TOO_COMPLEX, Reason.CHARACTER_FORBIDDEN}


LOOKS: tuple[Callable[[Document], object], ...] = (
    lambda one: one.digest,
    lambda one: one.values,
    lambda one: one.instructions,
)


def failure_of(look: Callable[[], object]) -> Failure | None:
    try:
        look()
    except Failure as failure:
        return failure
    return None


@given(DOCUMENTS)
def test_any_document_is_looked_at_or_refused_with_a_reason(text: str) -> None:
    for document in (Document(text, "settings", "b1"), ListDocument(text, "users", "b1", "user")):
        for look in LOOKS:
            failure = failure_of(partial(look, document))
            assert failure is None or (failure.reason in REASONS and failure.__context__ is None)


def served(content: dict[str, Any]) -> Outcome:
    primary, backup = FleetServer("primary", 1), FleetServer("b1", 2)
    backup.content |= content
    source = read_primary(primary, Policy().parts)
    return replicate(
        ReplicationJob(source, Policy(), Guard()), backup, snapshots=PartSnapshots(), runtime=FakeRuntime()
    )


@given(st.dictionaries(st.sampled_from(READS), DOCUMENTS, min_size=1, max_size=3))
def test_a_backup_of_any_documents_has_a_result(content: dict[str, str]) -> None:
    outcome = served(content)
    assert outcome.status in Status
    assert outcome.reason is not Reason.INTERNAL_ERROR
    assert (outcome.verified_at is None) == (outcome.status not in (Status.IN_SYNC, Status.UPDATED))


COSTLY = {
    "long names of entries": f"<s>{''.join(f"<x name='{'n' * 50_000}'><a/><b/></x>" for _ in range(20))}</s>",
    "entries below a long name": f"<s><x name='{'n' * 500_000}'>{'<a/>' * 2000}</x></s>",
    "prefixes in values": (
        f"<s {' '.join(f"xmlns:p{n}='{'u' * 500}'" for n in range(16))}>"
        f"{f'<v>{" ".join(f"p{n}:" for n in range(16))}</v>' * 9000}</s>"
    ),
    "deep": "<a>" * 60 + "<b/>" * 4000 + "</a>" * 60,
    "a name in a name": f"<s>{f"<x name='{'a' * 200}'>" * 50}{'<y/>' * 2000}{'</x>' * 50}</s>",
}


@pytest.mark.parametrize("kind", COSTLY)
def test_no_name_prefix_or_depth_makes_a_document_larger_than_it_is(kind: str) -> None:
    document = Document(COSTLY[kind], "settings", "b1")
    tracemalloc.start()
    try:
        for look in (lambda: document.digest, lambda: document.values):
            failure = failure_of(look)
            assert failure is None or failure.reason is Reason.REPLY_TOO_COMPLEX
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * budgets.CANONICAL


def test_a_list_of_more_items_than_its_size_explains_is_refused() -> None:
    for text in (
        f"<users>{'<user name="a"></user>' * (budgets.ITEMS + 1)}</users>",
        f"<users>{'<user name="a"/>' * (budgets.ITEMS + 1)}</users>",
        f"<users><list>{'<user name="a"/>' * (budgets.ITEMS + 1)}</list></users>",
    ):
        with pytest.raises(Failure) as caught:
            ListDocument(text, "users", "b1", "user").items  # noqa: B018 - reading it is what fails
        assert caught.value.reason is Reason.REPLY_TOO_COMPLEX
