"""The primary is read once and completely, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from common.errors import Failure, Reason
from replication.model import DEFAULT_PARTS, PartName
from replication.ports import Authentication
from replication.primary import read_primary

if TYPE_CHECKING:
    from tests.unit.replication.conftest import ServerFactory

ALL = frozenset(PartName)


def refused(server: Any, *, accept_empty: bool = False) -> Failure:
    with pytest.raises(Failure) as failure:
        read_primary(server, ALL, accept_empty=accept_empty)
    return failure.value


def test_every_chosen_part_is_read_once_and_nothing_is_written(make_primary: ServerFactory) -> None:
    server = make_primary(names={"users": ("ann", "bob"), "groups": ("staff",)})
    state = read_primary(server, ALL)
    assert set(state.states) == ALL
    assert (state.users, state.groups) == (2, 1)
    assert (state.label, state.address, state.facts) == (server.label, server.address, server.server_facts)
    assert len(server.calls) == len(set(server.calls))
    assert not server.writes


def test_only_chosen_parts_are_read(make_primary: ServerFactory) -> None:
    server = make_primary()
    state = read_primary(server, [PartName.MIME_MAPPINGS])
    assert server.calls == ["facts", "mime_mappings"]
    assert set(state.states) == {PartName.MIME_MAPPINGS}
    assert (state.users, state.groups) == (0, 0)


def test_listeners_are_left_out_by_default() -> None:
    assert PartName.LISTENERS not in DEFAULT_PARTS
    assert DEFAULT_PARTS | {PartName.LISTENERS} == ALL


def test_parts_the_edition_lacks_are_not_read(make_primary: ServerFactory) -> None:
    facts = make_primary().server_facts
    bare = replace(facts, features=replace(facts.features, directory_authentication=False, events=False))
    server = make_primary(server_facts=bare)
    assert set(read_primary(server, ALL).states) == ALL - {PartName.AUTHENTICATION, PartName.EVENT_RULES}
    assert not {"authentication", "event_rules"} & set(server.calls)


def test_an_unfit_primary_is_not_read(make_primary: ServerFactory) -> None:
    facts = make_primary().server_facts
    server = make_primary(server_facts=replace(facts, licence=replace(facts.licence, valid=False)))
    assert refused(server).reason is Reason.LICENCE_INVALID
    assert server.calls == ["facts"]


@pytest.mark.parametrize("accept_empty", [False, True])
@pytest.mark.parametrize("document", ["settings", "users", "groups"])
@pytest.mark.parametrize("text", ["", " \n"])
def test_an_answer_without_a_document_is_never_accepted(
    document: str, text: str, accept_empty: bool, make_primary: ServerFactory
) -> None:
    failure = refused(make_primary(**{document: text}), accept_empty=accept_empty)
    assert failure.reason is Reason.PRIMARY_EMPTY
    assert failure.server == make_primary().label


@pytest.mark.parametrize("users", ["<users/>", "<users>\n</users>", "<export><users/></export>"])
def test_a_list_without_a_user_is_accepted_only_when_meant(users: str, make_primary: ServerFactory) -> None:
    assert refused(make_primary(users=users)).reason is Reason.PRIMARY_EMPTY
    assert read_primary(make_primary(users=users), ALL, accept_empty=True).users == 0


def test_no_groups_are_fine(make_primary: ServerFactory) -> None:
    assert read_primary(make_primary(groups="<groups/>"), ALL).groups == 0


@pytest.mark.parametrize("kind", ["users", "groups"])
@pytest.mark.parametrize(
    ("held", "named", "complete"),
    [(2, 3, True), (2, 2, True), (2, 4, False), (2, 400, False), (2, 0, True), (3, 5, True)],
)
def test_a_document_of_half_the_named_size_is_incomplete(
    kind: str, held: int, named: int, complete: bool, make_primary: ServerFactory
) -> None:
    item = kind.removesuffix("s")
    document = f"<{kind}>" + "".join(f'<{item} name="n{number}"/>' for number in range(held)) + f"</{kind}>"
    names = {kind: tuple(f"n{number}" for number in range(named))}
    server = make_primary(names=names, **{kind: document})
    if complete:
        read_primary(server, ALL)
        return
    failure = refused(server)
    assert failure.reason is Reason.PRIMARY_INCOMPLETE
    assert str(named) in failure.message
    assert "n1" not in failure.message


def test_an_empty_list_beside_named_users_is_incomplete_even_when_empty_is_accepted(
    make_primary: ServerFactory,
) -> None:
    server = make_primary(users="<users/>", names={"users": ("ann",)})
    assert refused(server, accept_empty=True).reason is Reason.PRIMARY_INCOMPLETE


@pytest.mark.parametrize(
    "document",
    ["settings", "users", "groups", "event_rules", "blocked_addresses", "auto_blocked_addresses", "account_requests"],
)
def test_a_document_cut_short_ends_the_reading(document: str, make_primary: ServerFactory, secret: str) -> None:
    failure = refused(make_primary(**{document: f"<a><b>{secret}</b>"}))
    assert failure.reason is Reason.DOCUMENT_MALFORMED
    assert failure.server == make_primary().label
    assert secret not in str(failure)


def test_malformed_authentication_sources_end_the_reading(make_primary: ServerFactory) -> None:
    assert refused(make_primary(authentication=Authentication("<a>"))).reason is Reason.DOCUMENT_MALFORMED


@pytest.mark.parametrize(
    "call",
    [
        "facts", "settings", "authentication", "users", "groups", "event_rules", "mime_mappings", "blocked_addresses",
        "auto_blocked_addresses", "account_requests", "listeners", "user_names", "group_names",
    ],
)  # fmt: skip
def test_any_read_that_fails_ends_the_reading_with_its_reason(call: str, make_primary: ServerFactory) -> None:
    server = make_primary(failures={(call, 1): Failure(Reason.READ_TIMEOUT, "no answer")})
    assert refused(server).reason is Reason.READ_TIMEOUT
    assert not server.writes


@pytest.mark.parametrize("text", ["", "  ", "<settings/>", '<settings version="12">\n</settings>'])
def test_settings_that_hold_nothing_are_an_empty_primary(make_primary: ServerFactory, text: str) -> None:
    with pytest.raises(Failure) as caught:
        read_primary(make_primary(settings=text), ALL)
    assert caught.value.reason is Reason.PRIMARY_EMPTY
