"""How each part is read, compared and written."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from common.errors import Failure, Reason
from replication.documents import canonical
from replication.documents.keep_patterns import Rules
from replication.model import Changes, PartName, Policy, PrimaryState
from replication.parts import PARTS, Part
from replication.plan import PartPlan, changes_of, make_plan
from replication.ports import Authentication, AuthenticationSource, Listener, MimeMapping
from tests.support.documents import parse_text

if TYPE_CHECKING:
    from local.fakes.servers import FakeServer
    from replication.ports import ServerFacts
    from tests.unit.replication.conftest import ServerFactory

BY_NAME: dict[PartName, Part[Any]] = {part.name: part for part in PARTS}
POLICY = Policy()
WITH_AUTOMATIC = Policy(replicate_auto_block_list=True)


def plan(name: PartName, primary: FakeServer, backup: FakeServer, policy: Policy = POLICY) -> tuple[Any, Any, Any]:
    """What the primary has, what the backup has and what it should have."""
    part = BY_NAME[name]
    source, own = part.read(primary), part.read(backup)
    return source, own, part.desired(source, own, policy)


def apply(name: PartName, primary: FakeServer, backup: FakeServer, policy: Policy = POLICY) -> Changes:
    """Write the part to the backup and return the changes that were announced."""
    part = BY_NAME[name]
    _, own, desired = plan(name, primary, backup, policy)
    assert not part.same(own, desired, policy)
    part.write(backup, own, desired, policy)
    assert part.same(part.read(backup), desired, policy)
    return changes_of(PartPlan(part, own, desired))


def equal(name: PartName, primary: FakeServer, backup: FakeServer, policy: Policy = POLICY) -> bool:
    _, own, desired = plan(name, primary, backup, policy)
    return BY_NAME[name].same(own, desired, policy)


@pytest.mark.parametrize("name", list(PartName))
def test_equal_servers_have_nothing_to_change(name: PartName, make_server: ServerFactory) -> None:
    primary, backup = make_server(), make_server()
    source, own, desired = plan(name, primary, backup)
    assert BY_NAME[name].same(own, desired, POLICY)
    assert not BY_NAME[name].warnings(source, own, POLICY)
    BY_NAME[name].validate(own)
    assert not BY_NAME[name].blanks(own)


DIFFERENT: dict[PartName, tuple[dict[str, Any], str, Changes]] = {
    PartName.SETTINGS: (
        {"settings": "<settings><timeout>60</timeout><soap><port>8443</port></soap></settings>"},
        "write_settings",
        Changes(added=("/settings/smtp/@password",), changed=("/settings/timeout",)),
    ),
    PartName.ACCOUNTS: (
        {
            "users": '<users><user name="ANN"><hash>x</hash></user><user name="Zoe"/></users>',
            "groups": '<groups version="1"/>',
        },
        "write_accounts",
        Changes(
            added=("users/bob", "groups/staff"),
            removed=("users/Zoe",),
            changed=("users/ann", "groups/(document)"),
        ),
    ),
    PartName.EVENT_RULES: (
        {"event_rules": "<rules/>"},
        "write_event_rules",
        Changes(added=("r",)),
    ),
    PartName.ACCOUNT_REQUESTS: (
        {"account_requests": "<requests><r>1</r></requests>"},
        "write_account_requests",
        Changes(removed=("1",)),
    ),
    PartName.MIME_MAPPINGS: (
        {"mime_mappings": (MimeMapping("txt", "text/x"), MimeMapping("gif", "image/gif"))},
        "write_mime_mappings",
        Changes(added=("png",), removed=("gif",), changed=("txt",)),
    ),
    PartName.IP_BLOCK_LISTS: (
        {"blocked_addresses": "<ips><ip>192.0.2.9</ip></ips>"},
        "write_block_lists",
        Changes(added=("192.0.2.1",), removed=("192.0.2.9",)),
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_difference_is_named_by_key_and_written_in_one_call(
    name: PartName, make_server: ServerFactory, secret: str
) -> None:
    content, call, changes = DIFFERENT[name]
    backup = make_server(**content)
    assert apply(name, make_server(), backup) == changes
    assert backup.writes == [call]
    assert secret not in repr(changes)


# What goes over although the content looks alike ---------------------------------------------------------------------

DOCUMENTS = [
    *((PartName.SETTINGS, "settings"), (PartName.ACCOUNTS, "users"), (PartName.ACCOUNTS, "groups")),
    *((PartName.EVENT_RULES, "event_rules"), (PartName.ACCOUNT_REQUESTS, "account_requests")),
    *((PartName.IP_BLOCK_LISTS, "blocked_addresses"), (PartName.IP_BLOCK_LISTS, "auto_blocked_addresses")),
    (PartName.AUTHENTICATION, "authentication"),
]


def sealed(name: PartName, server: FakeServer) -> str:
    return BY_NAME[name].seal(BY_NAME[name].read(server), WITH_AUTOMATIC)


def holding(make_server: ServerFactory, key: str, text: str) -> FakeServer:
    return make_server(**{key: Authentication(text) if key == "authentication" else text})


@pytest.mark.parametrize(("name", "key"), DOCUMENTS)
@pytest.mark.parametrize(
    "form",
    [
        '<l xmlns:n="urn:{}"><user name="a" type="n:x"/></l>',
        '<l><user xmlns:n="urn:{}" name="a"><x>n:x</x></user></l>',
        '<l xmlns:n="urn:{}"><group name="a"><x>the n:x or </x>(n:y)<x/></group></l>',
        '<l xmlns:n="urn:{}" type="y n:x"/>',
    ],
)
def test_what_a_prefix_in_a_value_refers_to_is_a_difference(
    name: PartName, key: str, form: str, make_server: ServerFactory
) -> None:
    one, other = (holding(make_server, key, form.format(uri)) for uri in ("good", "evil"))
    assert equal(name, one, holding(make_server, key, form.format("good")), WITH_AUTOMATIC)
    assert not equal(name, one, other, WITH_AUTOMATIC)
    assert sealed(name, one) != sealed(name, other)


@pytest.mark.parametrize(("name", "key"), DOCUMENTS)
@pytest.mark.parametrize(
    "form",
    [
        '{}<l><user name="a"></user></l>',
        '<l>{}<user name="a"></user></l>',
        '<l><user name="a">{}</user></l>',
        '<?xml version="1.0"?><l><user name="a"></user></l>{}',
        '<l><user name="b"></user><user name="a"><x>{}</x></user></l>',
    ],
)
def test_processing_instructions_are_no_difference_and_are_sealed(
    name: PartName, key: str, form: str, make_server: ServerFactory
) -> None:
    servers = [holding(make_server, key, form.format(text)) for text in ("", "<?run a?>", "<?run b?>", "<?go a?>")]
    assert all(equal(name, servers[0], other, WITH_AUTOMATIC) for other in servers)
    assert len({sealed(name, server) for server in servers}) == 4
    assert sealed(name, servers[1]) == sealed(name, holding(make_server, key, form.format("<?run a?>")))


# Settings ------------------------------------------------------------------------------------------------------------


def test_settings_keep_what_belongs_to_the_backups_machine(make_server: ServerFactory) -> None:
    primary = make_server(settings="<s><soap><port>1</port></soap><x>p</x><crlPath>p</crlPath></s>")
    backup = make_server(settings="<s><soap><port>2</port></soap><x>b</x><licence>b</licence></s>")
    assert apply(PartName.SETTINGS, primary, backup) == Changes(changed=("/s/x",))
    expected = "<s><soap><port>2</port></soap><x>p</x><licence>b</licence></s>"
    assert canonical.canonical(parse_text(backup.content["settings"])) == canonical.canonical(parse_text(expected))


def test_settings_that_differ_only_in_machine_specific_values_are_the_same(make_server: ServerFactory) -> None:
    primary = make_server(settings="<s><soapPort>1</soapPort><x/></s>")
    backup = make_server(settings="<s>\n <soapPort>2</soapPort>\n <x></x>\n</s>")
    assert equal(PartName.SETTINGS, primary, backup)


def test_settings_keep_what_a_deployments_own_rules_name(make_server: ServerFactory) -> None:
    policy = Policy(rules=Rules.standard(["bannerText"]))
    primary, backup = (make_server(settings=f"<s><bannerText>{text}</bannerText></s>") for text in "pb")
    assert equal(PartName.SETTINGS, primary, backup, policy)
    assert not equal(PartName.SETTINGS, primary, backup)


def test_written_settings_keep_the_declaration_and_special_characters(make_server: ServerFactory) -> None:
    primary = make_server(settings='<?xml version="1.0" encoding="UTF-8"?>\n<s><x>é&#13;&lt;&amp;</x></s>')
    backup = make_server(settings="<s><soap/></s>")
    apply(PartName.SETTINGS, primary, backup)
    assert backup.content["settings"].startswith('<?xml version="1.0" encoding="UTF-8"?>')
    assert parse_text(backup.content["settings"]).findtext("x") == "é\r<&"


@pytest.mark.parametrize(
    "settings", ["", "  \n", "<other/>", "<s xmlns='urn:other'/>", "<s>", "<!DOCTYPE s><s/>"], ids=repr
)
def test_settings_that_nothing_could_be_kept_of_are_refused(settings: str, make_server: ServerFactory) -> None:
    with pytest.raises(Failure) as failure:
        plan(PartName.SETTINGS, make_server(settings="<s><x/></s>"), make_server(settings=settings))
    assert failure.value.reason is Reason.DOCUMENT_MALFORMED
    assert failure.value.server == make_server().label


# Accounts ------------------------------------------------------------------------------------------------------------


def test_accounts_are_the_same_in_another_order_with_other_log_in_times(make_server: ServerFactory) -> None:
    primary = make_server(users='<users><user name="ann" lastLogin="1"/><user name="bob"/></users>')
    backup = make_server(users='<users><user name="Bob"/><user name="ANN" lastLogin="2"/></users>')
    assert equal(PartName.ACCOUNTS, primary, backup)


def test_a_change_of_groups_alone_is_a_change_of_accounts(make_server: ServerFactory) -> None:
    backup = make_server(groups="<groups/>")
    assert apply(PartName.ACCOUNTS, make_server(), backup) == Changes(added=("groups/staff",))


@pytest.mark.parametrize("document", ["users", "groups"])
def test_accounts_are_empty_when_one_document_is(document: str, make_server: ServerFactory) -> None:
    part = BY_NAME[PartName.ACCOUNTS]
    assert part.blanks(part.read(make_server(**{document: " "})))
    assert not part.blanks(part.read(make_server(**{document: "<none/>"})))


# Authentication ------------------------------------------------------------------------------------------------------


def test_the_order_of_authentication_sources_matters(make_server: ServerFactory) -> None:
    primary = make_server()
    usual: Authentication = primary.content["authentication"]
    turned = Authentication(usual.document, tuple(reversed(usual.sources)))
    assert not equal(PartName.AUTHENTICATION, primary, make_server(authentication=turned))
    swapped = Authentication("<sources><ad name='b'/><ldap name='a'/></sources>", usual.sources)
    assert not equal(PartName.AUTHENTICATION, primary, make_server(authentication=swapped))
    indented = Authentication("<sources>\n <ldap name='a'/>\n <ad name='b'/>\n</sources>", usual.sources)
    assert equal(PartName.AUTHENTICATION, primary, make_server(authentication=indented))


def test_the_document_and_the_list_of_sources_are_written_together(make_server: ServerFactory) -> None:
    primary, backup = make_server(), make_server(authentication=Authentication("", ()))
    part = BY_NAME[PartName.AUTHENTICATION]
    assert part.blanks(part.read(backup))
    changes = apply(PartName.AUTHENTICATION, primary, backup)
    assert changes.added[-2:] == ("sources/a", "sources/b")
    assert backup.content["authentication"] == primary.content["authentication"]


DIRECTORIES = "<sources><ldap name='a'/></sources>"
SOURCES = (AuthenticationSource(True, "a", "ldap", ""),)
BLANK: dict[str, tuple[PartName, dict[str, Any], bool]] = {
    "a directory document": (PartName.AUTHENTICATION, {"authentication": Authentication("", SOURCES)}, True),
    "a typed list of directories": (PartName.AUTHENTICATION, {"authentication": Authentication(DIRECTORIES, ())}, True),
    "an emptied list": (PartName.AUTHENTICATION, {"authentication": Authentication("<sources/>", ())}, False),
    "a manual block list": (PartName.IP_BLOCK_LISTS, {"blocked_addresses": " "}, True),
    "an automatic block list": (PartName.IP_BLOCK_LISTS, {"auto_blocked_addresses": ""}, True),
    "event rules": (PartName.EVENT_RULES, {"event_rules": ""}, True),
    "account requests": (PartName.ACCOUNT_REQUESTS, {"account_requests": ""}, True),
    "users": (PartName.ACCOUNTS, {"users": ""}, True),
    "groups": (PartName.ACCOUNTS, {"groups": ""}, True),
    "mime mappings": (PartName.MIME_MAPPINGS, {"mime_mappings": ()}, True),
    "listeners": (PartName.LISTENERS, {"listeners": ()}, False),  # one without a counterpart is left alone
}


@pytest.mark.parametrize("what", BLANK)
def test_nothing_at_all_never_goes_over_in_no_piece_of_any_part(
    what: str, make_server: ServerFactory, facts: ServerFacts
) -> None:
    name, content, is_blank = BLANK[what]
    policy = Policy(parts=frozenset(PartName), replicate_auto_block_list=True)
    backup = make_server()
    backup.content["authentication"] = Authentication(DIRECTORIES, SOURCES)
    primary = PrimaryState("p", ("p", 1), facts, {name: BY_NAME[name].read(make_server(**content))}, 1, 1)
    (plan,) = (each for each in make_plan(primary, backup, facts.features, policy, {}).parts if each.name is name)
    assert plan.missing == is_blank
    if is_blank:
        assert plan.settled is not None
        assert plan.settled.reason is Reason.PRIMARY_EMPTY


def test_where_the_backup_has_nothing_either_the_other_piece_goes_over(
    make_server: ServerFactory, facts: ServerFacts
) -> None:
    """Servers that leave one half of the answer out do so on both sides."""
    primary = make_server(authentication=Authentication(DIRECTORIES, ()))
    backup = make_server(authentication=Authentication("<sources><ldap name='old'/></sources>", ()))
    state = PrimaryState(
        "p", ("p", 1), facts, {PartName.AUTHENTICATION: BY_NAME[PartName.AUTHENTICATION].read(primary)}, 1, 1
    )
    policy = Policy(parts=frozenset({PartName.AUTHENTICATION}))
    (plan,) = make_plan(state, backup, facts.features, policy, {}).parts
    assert (plan.settled, bool(plan.changes)) == (None, True)


def test_parts_an_edition_lacks_are_not_offered(facts: ServerFacts) -> None:
    bare = replace(facts.features, directory_authentication=False, events=False)
    lacking = {part.name for part in PARTS if not part.offered(bare)}
    assert lacking == {PartName.AUTHENTICATION, PartName.EVENT_RULES}
    assert all(part.offered(facts.features) for part in PARTS)


# MIME mappings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ((MimeMapping("PNG", "image/png"), MimeMapping("Txt", "text/plain")), True),
        ((MimeMapping("txt", "TEXT/PLAIN"), MimeMapping("png", "image/png")), False),
        ((MimeMapping("txt", "text/plain"),), False),
        ((MimeMapping("txt", "text/plain"), MimeMapping("png", "image/png"), MimeMapping("TXT", "text/x")), False),
        ((MimeMapping("txt", "text/plain"), MimeMapping("txt", "text/plain"), MimeMapping("png", "image/png")), False),
    ],
)
def test_mime_mappings_are_a_set_by_extension_without_regard_to_case(
    other: tuple[MimeMapping, ...], same: bool, make_server: ServerFactory
) -> None:
    assert equal(PartName.MIME_MAPPINGS, make_server(), make_server(mime_mappings=other)) is same


def test_the_first_of_two_types_of_one_extension_stays_the_first(make_server: ServerFactory) -> None:
    first, second = MimeMapping("a", "x/1"), MimeMapping("A", "x/2")
    turned = make_server(mime_mappings=(second, first))
    assert not equal(PartName.MIME_MAPPINGS, make_server(mime_mappings=(first, second)), turned)


EXTENSIONS = st.lists(st.builds(MimeMapping, st.sampled_from(["a", "A", "b"]), st.sampled_from(["x", "y"])), max_size=4)


@given(EXTENSIONS, EXTENSIONS)
def test_mappings_of_one_seal_are_the_same_mappings(
    make_server: ServerFactory, one: list[MimeMapping], other: list[MimeMapping]
) -> None:
    held, others = (make_server(mime_mappings=tuple(mappings)) for mappings in (one, other))
    if sealed(PartName.MIME_MAPPINGS, held) == sealed(PartName.MIME_MAPPINGS, others):
        assert Counter(one) == Counter(other)
        assert equal(PartName.MIME_MAPPINGS, held, others)


def test_which_letter_case_has_which_type_is_a_difference(make_server: ServerFactory) -> None:
    one, other = (
        make_server(mime_mappings=(MimeMapping(first, "x"), MimeMapping(second, "y"))) for first, second in ("aA", "Aa")
    )
    assert apply(PartName.MIME_MAPPINGS, one, other) == Changes(changed=("A", "a"))


# Block lists ---------------------------------------------------------------------------------------------------------


def test_the_automatic_list_stays_the_backups_as_it_is_at_the_moment_of_the_write(make_server: ServerFactory) -> None:
    primary = make_server(blocked_addresses="<ips><ip>203.0.113.1</ip></ips>", auto_blocked_addresses="<auto/>")
    backup = make_server()
    _, own, desired = plan(PartName.IP_BLOCK_LISTS, primary, backup)
    backup.content["auto_blocked_addresses"] = "<auto><ip>198.51.100.77</ip></auto>"
    BY_NAME[PartName.IP_BLOCK_LISTS].write(backup, own, desired, POLICY)
    assert backup.calls[-2:] == ["auto_blocked_addresses", "write_block_lists"]
    assert backup.content["auto_blocked_addresses"] == "<auto><ip>198.51.100.77</ip></auto>"
    assert backup.content["blocked_addresses"] == primary.content["blocked_addresses"]


def test_another_automatic_list_is_no_difference_unless_asked_for(make_server: ServerFactory) -> None:
    primary, backup = make_server(auto_blocked_addresses="<auto/>"), make_server()
    assert equal(PartName.IP_BLOCK_LISTS, primary, backup)
    changes = apply(PartName.IP_BLOCK_LISTS, primary, backup, WITH_AUTOMATIC)
    assert changes == Changes(removed=("automatic/198.51.100.1",))
    assert backup.content["auto_blocked_addresses"] == "<auto/>"


# Listeners -----------------------------------------------------------------------------------------------------------


def listener(ident: int, protocol: int, port: int | None, address: str = "10.0.0.1", **options: object) -> Listener:
    return Listener(ident, address, protocol, ({} if port is None else {"listenPort": port}) | options)


def test_a_listener_gets_the_options_of_its_counterpart_and_keeps_its_place(make_server: ServerFactory) -> None:
    primary = make_server(
        listeners=(listener(7, 1, 21, "10.9.9.9", welcome="new", maxUsers=5, passiveSettings={"ip": "1"}),)
    )
    backup = make_server(
        listeners=(
            listener(1, 1, 21, welcome="old", logo="b.png", passiveSettings={"ip": "2"}),
            listener(2, 1, 22, w=1),
        )
    )
    changes = apply(PartName.LISTENERS, primary, backup)
    assert changes == Changes(changed=("protocol 1 port 21",))
    assert backup.writes == ["write_listener", "commit_listeners"]
    assert backup.content["listeners"] == (
        listener(1, 1, 21, welcome="new", maxUsers=5, logo="", passiveSettings={"ip": "2"}),
        listener(2, 1, 22, w=1),
    )


def test_a_listener_without_passive_settings_gets_none(make_server: ServerFactory) -> None:
    primary = make_server(listeners=(listener(1, 1, 21, passiveSettings={"ip": "1"}),))
    assert equal(PartName.LISTENERS, primary, make_server(listeners=(listener(1, 1, 21),)))


def test_listeners_without_a_counterpart_are_left_alone_and_named(make_server: ServerFactory) -> None:
    primary = make_server(listeners=(listener(1, 1, 21, w="p"), listener(2, 2, 22, w="p")))
    backup = make_server(listeners=(listener(1, 1, 990, w="b"), listener(2, 1, 22, w="b")))
    source, own, desired = plan(PartName.LISTENERS, primary, backup)
    assert desired == own
    warnings = BY_NAME[PartName.LISTENERS].warnings(source, own, POLICY)
    assert [re.findall(r"(\w+)'s listener of protocol (\d+) on port (\d+)", warning) for warning in warnings] == [
        [("primary", "1", "21")],
        [("primary", "2", "22")],
        [("backup", "1", "990")],
        [("backup", "1", "22")],
    ]


def test_a_listener_that_only_differs_in_what_is_its_own_is_equal_and_says_what_that_is(
    make_server: ServerFactory,
) -> None:
    primary = make_server(listeners=(listener(7, 1, 21, "10.9.9.9", passiveSettings={"ip": "1"}),))
    source, own, desired = plan(PartName.LISTENERS, primary, make_server(listeners=(listener(1, 1, 21),)))
    assert desired == own
    assert BY_NAME[PartName.LISTENERS].kept_differences(source, desired, POLICY) == (
        "protocol 1 port 21/address",
        "protocol 1 port 21/passiveSettings",
    )


texts_of_listeners = st.dictionaries(st.sampled_from(("companyName", "logoPath")), st.sampled_from(("", "a", "b")))
sockets = st.lists(st.sampled_from(("10.0.0.1", "10.0.0.2", "::")), min_size=1, max_size=3, unique=True)


@given(
    addresses=sockets.flatmap(lambda held: st.tuples(st.permutations(held), st.permutations(held))),
    theirs=st.lists(texts_of_listeners, min_size=3, max_size=3),
    ours=st.lists(texts_of_listeners, min_size=3, max_size=3),
    keeps_what_is_left_out=st.booleans(),
)
def test_a_listener_has_the_texts_of_the_one_of_its_address_and_no_others(
    make_server: ServerFactory,
    addresses: tuple[list[str], list[str]],
    theirs: list[dict[str, str]],
    ours: list[dict[str, str]],
    keeps_what_is_left_out: bool,
) -> None:
    """A server may leave a text as it was when it is left out; an empty one it takes."""
    primary = make_server(
        listeners=tuple(listener(9 - place, 1, 21, at, **theirs[place]) for place, at in enumerate(addresses[0]))
    )
    backup = make_server(
        listeners=tuple(listener(place, 1, 21, at, **ours[place]) for place, at in enumerate(addresses[1]))
    )
    take = backup.write_listener

    def write_listener(sent: Listener) -> None:
        held = next(one for one in backup.content["listeners"] if one.id == sent.id)
        take(replace(sent, options={**(held.options if keeps_what_is_left_out else {}), **sent.options}))

    backup.write_listener = write_listener  # type: ignore[method-assign,assignment]
    part = BY_NAME[PartName.LISTENERS]
    _, own, desired = plan(PartName.LISTENERS, primary, backup)
    part.write(backup, own, desired, POLICY)
    assert part.same(part.read(backup), desired, POLICY)

    def texts(server: FakeServer) -> dict[str, dict[str, object]]:
        return {one.address: {name: value for name, value in one.options.items() if value} for one in part.read(server)}

    assert texts(backup) == texts(primary)
    assert equal(PartName.LISTENERS, primary, backup)


@pytest.mark.parametrize("backward", [False, True])
def test_listeners_on_one_port_of_several_addresses_are_paired_by_their_ids(
    backward: bool, make_server: ServerFactory
) -> None:
    primary = (listener(4, 1, 21, "10.0.0.4", w="first"), listener(9, 1, 21, "10.0.0.9", w="second"))
    backup = tuple(listener(ident, 1, 21, f"10.1.0.{ident}", w="") for ident in (1, 2, 3))
    step = -1 if backward else 1
    _, _, desired = plan(
        PartName.LISTENERS, make_server(listeners=primary[::step]), make_server(listeners=backup[::step])
    )
    assert {held.id: held.options["w"] for held in desired} == {1: "first", 2: "second", 3: "second"}


def test_listeners_are_compared_by_id_in_any_order(make_server: ServerFactory) -> None:
    part = BY_NAME[PartName.LISTENERS]
    held = part.read(make_server())
    assert part.same(held, tuple(reversed(held)), POLICY)
    assert not part.same(held, held[:1], POLICY)


protocols_and_addresses = st.tuples(st.sampled_from((1, 2, 16)), st.sampled_from(("10.0.0.1", "10.0.0.2")))
several_listeners = st.dictionaries(st.integers(1, 3), protocols_and_addresses, max_size=3).flatmap(
    lambda sockets: st.tuples(
        *(
            st.builds(
                listener,
                st.just(ident),
                st.just(protocol),
                st.sampled_from((21, 22)),
                st.just(address),
                w=st.sampled_from("ab"),
            )
            for ident, (protocol, address) in sockets.items()
        )
    )
)


@given(several_listeners, several_listeners)
def test_a_fingerprint_of_listeners_knows_every_field(left: tuple[Listener, ...], right: tuple[Listener, ...]) -> None:
    part = BY_NAME[PartName.LISTENERS]
    same = {each.id: each for each in left} == {each.id: each for each in right}
    assert (part.fingerprint(left, POLICY) == part.fingerprint(right, POLICY)) == same
    assert part.same(left, right, POLICY) == same
    assert same or changes_of(PartPlan(part, left, right))


@given(several_listeners, several_listeners)
def test_kept_listeners_go_back_exactly_and_whole_or_not_at_all(
    kept: tuple[Listener, ...], own: tuple[Listener, ...]
) -> None:
    part = BY_NAME[PartName.LISTENERS]
    exact = Policy(frozenset({PartName.LISTENERS}), Rules([]), exact=True)
    fits = {(each.id, each.protocol, each.address) for each in kept} == {
        (each.id, each.protocol, each.address) for each in own
    }
    if fits:
        assert part.same(part.desired(kept, own, exact), kept, exact)
    else:
        with pytest.raises(Failure) as caught:
            part.desired(kept, own, exact)
        assert caught.value.reason is Reason.SNAPSHOT_UNFIT


def test_an_id_that_another_listener_bears_by_now_is_not_written_to(make_server: ServerFactory) -> None:
    backup = make_server(listeners=(listener(1, 1, 21, w="old"),))
    _, own, desired = plan(PartName.LISTENERS, make_server(listeners=(listener(1, 1, 21, w="new"),)), backup)
    backup.content["listeners"] = (listener(1, 2, 21, w="other"),)
    with pytest.raises(Failure) as caught:
        BY_NAME[PartName.LISTENERS].write(backup, own, desired, POLICY)
    assert (caught.value.reason, backup.writes) == (Reason.LISTENERS_CHANGED, [])


def test_two_listeners_of_one_id_are_refused(make_server: ServerFactory) -> None:
    twice = make_server(listeners=(listener(1, 1, 21, w="a"), listener(1, 1, 22, w="b")))
    with pytest.raises(Failure) as caught:
        BY_NAME[PartName.LISTENERS].read(twice)
    assert caught.value.reason is Reason.DOCUMENT_MALFORMED


# All documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (PartName.SETTINGS, "settings"),
        (PartName.ACCOUNTS, "users"),
        (PartName.ACCOUNTS, "groups"),
        (PartName.EVENT_RULES, "event_rules"),
        (PartName.ACCOUNT_REQUESTS, "account_requests"),
        (PartName.IP_BLOCK_LISTS, "blocked_addresses"),
        (PartName.IP_BLOCK_LISTS, "auto_blocked_addresses"),
    ],
)
def test_a_malformed_document_fails_its_validation_without_being_quoted(
    name: PartName, content: str, make_server: ServerFactory, secret: str
) -> None:
    part = BY_NAME[name]
    with pytest.raises(Failure) as failure:
        part.validate(part.read(make_server(**{content: f"<a>{secret}"})))
    assert failure.value.reason is Reason.DOCUMENT_MALFORMED
    assert secret not in str(failure.value)


@pytest.mark.parametrize("name", [PartName.EVENT_RULES, PartName.ACCOUNT_REQUESTS])
def test_documents_are_compared_by_content(name: PartName, make_server: ServerFactory) -> None:
    content = str(name)
    primary = make_server(**{content: "<r><a x='1' y='2'/><b/></r>"})
    assert equal(name, primary, make_server(**{content: "<r>\n<a y='2' x='1'/><b/></r>"}))
    assert not equal(name, primary, make_server(**{content: "<r><b/><a x='1' y='2'/></r>"}))


def test_a_merged_document_is_what_the_server_is_sent_and_compared_with(make_server: ServerFactory) -> None:
    def tidy(text: str) -> str:
        root = parse_text(text)
        etree.indent(root)
        return etree.tostring(root, encoding="unicode")

    primary = make_server(settings="<s>\n <ssl>\n  <certFile>p</certFile>\n </ssl>\n <x>p</x>\n</s>")
    apply(PartName.SETTINGS, primary, make_server(settings="<s><x>b</x></s>", normalise=tidy))
