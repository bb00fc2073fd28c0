"""One character that XML cannot represent is named, and costs the part that it is in and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Failure, Reason
from local.fakes.runtime import FakeRuntime
from local.fakes.servers import FleetServer
from local.fakes.snapshots import PartSnapshots
from replication.guards.approval import Guard
from replication.job import ReplicationJob
from replication.model import PartName, PartStatus, Policy
from replication.parts.base import Document, ListDocument
from replication.primary import read_primary
from replication.replicate import replicate

if TYPE_CHECKING:
    from collections.abc import Callable

FORBIDDEN = ["\x00", "\x01", "\x0b", "\x1f", "\ufffe", "\uffff", "&#1;", "&#x1F;", "&#xFFFE;", "&#0;", "&#xD800;"]
PLACES: dict[str, Callable[[str], str]] = {
    "text": lambda bad: f'<users><user name="ann"><note>a{bad}b</note></user><user name="bob"/></users>',
    "attribute": lambda bad: f'<users><user name="ann" note="{bad}"/><user name="bob"/></users>',
    "nested": lambda bad: f'<users><list><user name="ann"><b><c>{bad}</c></b></user></list><user name="bob"/></users>',
    "behind": lambda bad: f'<users><user name="ann"><b/>x{bad}</user><user name="bob"/></users>',
}


def refusal(document: Document) -> Failure:
    with pytest.raises(Failure) as caught:
        document.digest  # noqa: B018 - reading it is what fails
    assert caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize("bad", FORBIDDEN)
@pytest.mark.parametrize("place", PLACES)
def test_the_user_is_named_who_has_it(place: str, bad: str) -> None:
    text = PLACES[place](bad)
    for document in (Document(text, "users", "b1"), ListDocument(text, "users", "b1", "user")):
        failure = refusal(document)
        assert failure.reason is Reason.CHARACTER_FORBIDDEN
        assert "user[ann]" in failure.message
        assert "bob" not in failure.message


def test_a_secret_that_has_it_is_not_shown() -> None:
    for text in (
        "<s><password>hunter\x01two</password></s>",
        "<s><user password='hunter\x01two' name='hunter\x01'/></s>",
    ):
        assert "hunter\x01two" not in refusal(Document(text, "settings", "b1")).message
        assert "two" not in refusal(Document(text, "settings", "b1")).message


@pytest.mark.parametrize(
    "text",
    ["<a>\x01", "<a>\x01</b>", "\x01", "<a>&#1;", "<a>&#65;</b>", "<a>" + "\x01" * 2000 + "</a>", "<a \x01='b'/>"],
)
def test_what_is_wrong_besides_is_malformed(text: str) -> None:
    assert refusal(Document(text, "settings", "b1")).reason is Reason.DOCUMENT_MALFORMED


_PARTS = st.sampled_from(
    [
        (PartName.SETTINGS, "settings", "<settings><greeting>{}</greeting></settings>"),
        (PartName.ACCOUNTS, "users", '<users><user name="ann">{}</user></users>'),
        (PartName.ACCOUNTS, "groups", '<groups><group name="ann">{}</group></groups>'),
        (PartName.EVENT_RULES, "event_rules", '<rules><rule name="ann">{}</rule></rules>'),
        (PartName.IP_BLOCK_LISTS, "blocked_addresses", "<ips><ip>{}</ip></ips>"),
        (PartName.ACCOUNT_REQUESTS, "account_requests", "<requests><r>{}</r></requests>"),
    ]
)


@given(spoilt=_PARTS, bad=st.sampled_from(FORBIDDEN), of_primary=st.booleans())
def test_only_the_part_that_has_it_waits(spoilt: tuple[PartName, str, str], bad: str, *, of_primary: bool) -> None:
    part, name, text = spoilt
    primary, backup = FleetServer("primary", 1), FleetServer("b1", 2)
    backup.content["mime_mappings"] = ()
    backup.content["account_requests"] = "<requests><old/></requests>"
    (primary if of_primary else backup).content[name] = text.format(bad)
    source = read_primary(primary, frozenset(PartName))
    outcome = replicate(
        ReplicationJob(source, Policy(), Guard()), backup, snapshots=PartSnapshots(), runtime=FakeRuntime()
    )

    statuses = {one.part: one.status for one in outcome.parts}
    waiting = PartStatus.NOT_READ if of_primary else PartStatus.FAILED
    skipped = {PartName.EVENT_RULES} if part is PartName.ACCOUNTS else set()
    assert {name for name, status in statuses.items() if status is waiting} == {part}
    assert {name for name, status in statuses.items() if status is PartStatus.SKIPPED} <= skipped
    done = {PartStatus.PUSHED, PartStatus.UNCHANGED}
    assert all(status in done for name, status in statuses.items() if name not in {part, *skipped})
    (reason,) = {one.reason for one in outcome.parts if one.part is part}
    assert reason is Reason.CHARACTER_FORBIDDEN
    assert outcome.verified_at is None
    assert set(source.unread) == ({part} if of_primary else set())
