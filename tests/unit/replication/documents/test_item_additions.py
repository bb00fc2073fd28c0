"""What a server may have added to users and groups: as to any list, but these are matched by name and have no order."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from common.errors import Failure, Reason
from replication.model import Policy
from replication.parts.accounts import Accounts, AccountsPart
from tests.support.server_answers import (
    HABITS,
    STYLES,
    TELLING_VALUES,
    Entry,
    Model,
    Rendering,
    answers,
    capitalises,
    counts_log_ins,
    fields_of,
    folded,
    shuffles,
)

PART = AccountsPart()
POLICY = Policy()
RUNTIME = "lastLogin"
NOBODY = "<groups/>"


def accounts_of(model: Model, style: str, *, as_groups: bool) -> Accounts:
    if as_groups:
        return Accounts.of("<users/>", Rendering(style, entry="group").document(model), "b1")
    return Accounts.of(Rendering(style, entry="user").document(model), NOBODY, "b1")


def is_accepted(held: Accounts, sent: Accounts, before: Accounts | None) -> bool:
    return PART.same(held, sent, POLICY) or PART.additions(held, sent, before) is not None


def by_name(model: Model) -> dict[str, list[tuple[str, str]]]:
    return {name.lower(): [field for field in fields if field[0] != RUNTIME] for name, fields in model}


def counts_as_equal(before: Model, sent: Model, held: Model, *, ordered_fields: bool) -> bool:
    """The promise, on the models: everybody as they were sent, and nothing of the old content of whoever changes."""
    wanted, got, old = by_name(sent), by_name(held), by_name(before)
    if wanted.keys() != got.keys() or len(held) != len(got):
        return False
    changing: list[Entry] = [(name, tuple(fields)) for name, fields in old.items() if wanted.get(name) != fields]
    if not ordered_fields:
        changing = [(name, fields) for name, fields in changing if sorted(wanted.get(name, ())) != sorted(fields)]
    left_over = set(map(folded, fields_of(tuple(changing)))) - set(map(folded, fields_of(sent)))
    for name, fields in wanted.items():
        kept = [field for field in got[name] if field[0] in dict(fields)]
        extra = [field for field in got[name] if field[0] not in dict(fields)]
        same = kept == fields if ordered_fields else sorted(kept) == sorted(fields)
        if not same or any(folded(field) in left_over or field[0] in dict(old.get(name, ())) for field in extra):
            return False
        texts = {text.lower() for _, all_of_them in changing for _, text in all_of_them}
        old_texts = texts - {text.lower() for _, text in fields}
        if any(text.lower() in old_texts & TELLING_VALUES for _, text in extra):
            return False
    return True


@given(answers((*HABITS, shuffles, capitalises, counts_log_ins)), st.sampled_from(STYLES), st.booleans())
@example(
    ((("ann", (("order", "x y"),)),), (("ann", ()), ("bob", (("order", "x y"),))), (("ann", (("uid", "x y"),)),)),
    "element",
    False,
)
def test_it_counts_as_equal_exactly_when_nothing_old_is_left_and_nothing_new_is_missing(
    answer: tuple[Model, Model, Model], style: str, as_groups: bool
) -> None:
    before, sent, held = answer
    assume(before != sent)
    own, desired, after = (accounts_of(model, style, as_groups=as_groups) for model in answer)
    expected = counts_as_equal(before, sent, held, ordered_fields=style != "attribute")
    assert is_accepted(after, desired, own) == expected


def users(*of: str, before: str = "") -> Accounts:
    return Accounts.of(f"<users>{before}{''.join(of)}</users>", NOBODY, "b1")


@pytest.mark.parametrize(
    ("sent", "held", "before", "added"),
    [
        (("<user name='a'/>",), ("<user name='a'><n>9</n></user>",), None, 1),
        (("<user name='a'/>",), ("<user name='A' n='9'/>",), None, 1),
        (("<user><name>a</name></user>",), ("<user><name>A</name><n>9</n></user>",), None, 1),
        (("<user name='a'/>",), ("<user name='a'><n><m/></n></user>",), None, None),  # a subtree is no value
        (("<user name='a'/>",), ("<user name='a'><role>root</role></user>", "<user name='b'/>"), None, None),
        (("<user name='a'><k>1</k></user>",), ("<user name='a'><k>2</k><n>9</n></user>",), None, None),
        (("<user name='a'><lastLogin>1</lastLogin></user>",), ("<user name='a' lastLogin='2' n='9'/>",), None, 1),
        (("<user name='a' lastLoginIP='10.0.0.1'/>",), ("<user name='a'><n>9</n></user>",), None, 1),
        (
            ("<user name='a'><k>1</k></user>",),
            ("<user name='a'><k>1</k><lastSeen>2</lastSeen><n>9</n></user>",),
            None,
            1,
        ),
        (("<user name='a'/>",), ("<user name='a'><home>/eve</home></user>",), ("<user name='eve' h='/eve'/>",), None),
    ],
)
def test_a_value_is_an_addition_only_where_it_can_be_nothing_else(
    sent: tuple[str, ...], held: tuple[str, ...], before: tuple[str, ...] | None, added: int | None
) -> None:
    assert PART.additions(users(*held), users(*sent), users(*before) if before else None) == added


def test_what_an_unchanged_user_holds_may_be_the_default_of_another() -> None:
    ann = "<user name='ann'><language>English</language></user>"
    own = users(ann, "<user name='eve'/>")
    held = users(ann, "<user name='bob'><language>English</language></user>")
    assert PART.additions(held, users(ann, "<user name='bob'/>"), own) == 1


def test_what_stood_around_the_users_is_old_content_too() -> None:
    own = users("<user name='a'/>", before="<policy>evil.exe</policy>")
    assert PART.additions(users("<user name='a' run='evil.exe'/>"), users("<user name='a'/>"), own) is None


def test_a_user_in_another_list_of_the_document_is_another() -> None:
    """Also where the server has added a value of its own on the way."""
    lists = "<all><a>{}</a><b>{}</b></all>"
    sent = Accounts.of(lists.format("<user name='x'/>", "<user name='y'/>"), NOBODY, "b1")
    held = Accounts.of(lists.format("<user name='y'/>", "<user name='x'/>"), NOBODY, "b1")
    added = Accounts.of(lists.format("<user name='y' n='1'/>", "<user name='x' n='1'/>"), NOBODY, "b1")
    assert PART.additions(held, sent, None) is None
    assert PART.additions(added, sent, None) is None


@pytest.mark.parametrize("name", ["ann", ""])
def test_among_several_users_of_one_name_what_any_held_is_old(name: str) -> None:
    """Also if somebody else is sent the same, by which it would be no old content elsewhere."""
    without, with_it = f"<user name='{name}'/>", f"<user name='{name}' limit='5'/>"
    bob = "<user name='bob' limit='5'/>"
    held, sent = users(without, with_it, bob), users(without, without, bob)
    assert PART.additions(held, sent, users(with_it)) is None
    assert PART.additions(users("<user name='eve' limit='5'/>", bob), users("<user name='eve'/>", bob), users(with_it))


def test_a_value_of_a_group_and_one_of_a_user_count_together() -> None:
    sent = Accounts.of("<users><user name='a'/></users>", "<groups><group name='g'/></groups>", "b1")
    held = Accounts.of("<users><user name='a' n='9'/></users>", "<groups><group name='g' n='9'/></groups>", "b1")
    assert PART.additions(held, sent, None) == 2


def test_each_of_many_thousand_users_may_have_the_same_default() -> None:
    """They are cut out of the list in portions."""
    names = [f"user{number}" for number in range(4500)]
    sent = users(*(f"<user name='{name}'/>" for name in names))
    held = users(*(f"<user name='{name}'><quota>50</quota></user>" for name in names))
    own = users(*(f"<user name='{name}' old='1'/>" for name in names))
    assert PART.additions(held, sent, own) == len(names)
    own = users(*(f"<user name='{name}' old='1'/>" for name in names[:-1]), "<user name='eve' quota='50'/>")
    assert PART.additions(held, sent, own) is None


def test_more_different_values_than_a_server_can_have_defaults_for_are_none() -> None:
    names = [f"user{number}" for number in range(10_001)]
    sent = users(*(f"<user name='{name}'/>" for name in names))
    held = users(*(f"<user name='{name}' guid='{name}'/>" for name in names))
    assert PART.additions(held, sent, None) is None


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("<isAdmin>1</isAdmin>", "<flags isAdmin='1'/>"),  # bob is sent the same, so the value alone tells nothing
        ("<isAdmin>1</isAdmin>", "<entry label='isAdmin' value='1'/>"),
        ("<isAdmin>1</isAdmin>", "<legacy>isAdmin=1</legacy>"),
        ("<flags><flag>isAdmin</flag></flags>", "<isAdmin>1</isAdmin>"),
        ("<p label='isAdmin' value='1'/>", "<isAdmin>1</isAdmin>"),
        ("<type>1</type>", "<type>1</type>"),
        ("<home>C:\\data\\ann</home>", "<root>C:\\data\\ann\\</root>"),
        ("<home>C:\\data\\ann</home>", "<root>c:/data/ann</root>"),
        ("<role>admins</role>", "<root>[admins]</root>"),
        ("<role xmlns:ab='urn:a' is='ab:admins'/>", "<x>ab:admins</x>"),
    ],
)
def test_old_content_of_a_user_is_no_addition_in_whatever_form_it_is_kept(before: str, kept: str) -> None:
    bob = "<user name='bob'><isAdmin>1</isAdmin><type>1</type></user>"
    own = users(f"<user name='ann'>{before}</user>", "<user name='bob'/>")
    sent = users("<user name='ann'><n>9</n></user>", bob)
    assert PART.additions(users(f"<user name='ann'><n>9</n>{kept}</user>", bob), sent, own) is None
    assert PART.additions(users("<user name='ann'><n>9</n><new>7</new></user>", bob), sent, own) == 1


@pytest.mark.parametrize("to_user", [True, False])
def test_old_content_of_a_group_is_none_of_its_members_and_the_other_way_round(to_user: bool) -> None:
    """A server may hand the rights of a group that goes to whoever was in it."""

    def both(one: str, other: str) -> Accounts:
        user, group = (one, other) if to_user else (other, one)
        return Accounts.of(
            f"<users><user name='ann'>{user}</user></users>", f"<groups><group name='g'>{group}</group></groups>", "b1"
        )

    own, sent = both("", "<n>1</n><home>/secret</home><write>true</write>"), both("", "<n>2</n>")
    assert PART.additions(both("<home>/secret</home>", "<n>2</n>"), sent, own) is None
    assert PART.additions(both("<write>true</write>", "<n>2</n>"), sent, own) is None
    assert PART.additions(both("<new>7</new>", "<n>2</n>"), sent, own) == 1


def test_what_any_of_several_of_one_name_held_is_old_also_where_one_of_them_is_left() -> None:
    bob, admin = "<user name='bob'><admin>1</admin></user>", "<user name='ann'><n>2</n><admin>1</admin></user>"
    own = users("<user name='ann'><n>1</n></user>", "<user name='ann'><admin>1</admin></user>", "<user name='bob'/>")
    assert PART.additions(users(admin, bob), users("<user name='ann'><n>2</n></user>", bob), own) is None


def test_what_any_of_several_folders_of_one_name_had_is_old_also_where_one_of_them_is_left() -> None:
    def folders(*inner: str) -> Accounts:
        return users(f"<user name='ann'><folders>{''.join(inner)}</folders></user>")

    plain, other = "<f name='a' x='1'/>", "<f name='b' write='1'/>"
    own, sent = folders("<f name='a' write='1'/>", plain, other), folders(plain, other)
    assert PART.additions(folders("<f name='a' x='1' write='1'/>", other), sent, own) is None


def test_somebody_named_otherwise_than_by_a_name_is_an_entry_and_no_value() -> None:
    held = users("<user name='ann'><n>1</n><alias username='root' password='x'/></user>")
    assert PART.additions(held, users("<user name='ann'><n>1</n></user>"), users()) is None


@pytest.mark.parametrize("name", ["An<!-- c -->n", "A<?p i?>nn"])
def test_what_stands_in_a_name_and_counts_for_nothing_hides_no_addition(name: str) -> None:
    sent = users("<user><name>ann</name></user>")
    assert PART.additions(users(f"<user><name>{name}</name><n>9</n></user>"), sent, None) == 1


@pytest.mark.parametrize(
    "document", ["<users><user name='a' {1}>{0}</user></users>", "<users>{0}<user name='a' {1}/></users>"]
)
def test_what_is_too_large_to_compare_again_is_a_failure_with_a_reason(document: str) -> None:
    """A list has more room than a document: one user may take all of it, or what stands around the users."""
    large = f"<x {' '.join(f"a{number}='1'" for number in range(10))}/>" * 11_000
    own, sent, held = (
        Accounts.of(document.format(large, value), NOBODY, "b1") for value in ("", "n='1'", "n='1' m='1'")
    )
    with pytest.raises(Failure) as failure:
        PART.additions(held, sent, own)
    assert failure.value.reason is Reason.REPLY_TOO_COMPLEX
