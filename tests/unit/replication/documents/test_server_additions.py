"""What a server may have added to a document it was sent: single new values, and nothing else in the world."""

from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from replication.documents.server_additions import count_additions
from replication.model import Policy
from replication.parts.accounts import Accounts, AccountsPart
from replication.parts.base import Document
from replication.parts.single_documents import EventRules
from tests.support.documents import parse_text
from tests.support.server_answers import STYLES, TELLING_VALUES, Model, Rendering, answers, fields_of, folded, models

PART = EventRules()
POLICY = Policy()


def counts_as_equal(before: Model, sent: Model, held: Model, *, ordered_fields: bool) -> bool:
    """The promise, on the models: every entry as it was sent and where it was sent, and nothing of the old content."""
    if [name for name, _ in held] != [name for name, _ in sent]:
        return False
    # The only entry on both sides is the same entry, whatever it is called.
    old = {sent[0][0]: before[0][1]} if len(before) == len(sent) == 1 else dict(before)
    left_over = set(map(folded, fields_of(before))) - set(map(folded, fields_of(sent)))
    for (name, wanted), (_, held_fields) in zip(sent, held, strict=True):
        kept = [field for field in held_fields if field[0] in dict(wanted)]
        same = kept == list(wanted) if ordered_fields else sorted(kept) == sorted(wanted)
        extra = [field for field in held_fields if field[0] not in dict(wanted)]
        if not same or any(folded(field) in left_over or field[0] in dict(old.get(name, ())) for field in extra):
            return False
        # A text that says more than true or 5 is old where the entry was sent without it.
        old_texts = {text.lower() for _, fields in before for _, text in fields} - {text.lower() for _, text in wanted}
        if any(text.lower() in old_texts & TELLING_VALUES for _, text in extra):
            return False
    return True


@given(answers(), st.sampled_from(STYLES))
def test_it_counts_as_equal_exactly_when_nothing_old_is_left_and_nothing_new_is_missing(
    answer: tuple[Model, Model, Model], style: str
) -> None:
    before, sent, held = answer
    assume(before != sent)
    rendering = Rendering(style)
    own, desired, after = (Document(rendering.document(model), "rules", "b1") for model in answer)
    accepted = PART.same(after, desired, POLICY) or PART.additions(after, desired, own) is not None
    assert accepted == counts_as_equal(before, sent, held, ordered_fields=style != "attribute")


@given(models, st.sampled_from(STYLES))
def test_another_namespace_is_another_document(model: Model, style: str) -> None:
    sent = Document(Rendering(style).document(model), "rules", "b1")
    held = Document(Rendering(style, "urn:other").document(model), "rules", "b1")
    assert PART.additions(held, sent, None) is None


@pytest.mark.parametrize(
    ("sent", "held", "before", "within_items", "added"),
    [
        ("<s><a>1</a><b>2</b></s>", "<s><a>1</a><n>9</n><b>2</b></s>", None, False, 1),
        ("<s><a>1</a></s>", '<s v="2"><a>1</a></s>', None, False, 1),
        ("<s><r x='1'/></s>", "<s><r x='1'><n>9</n></r></s>", None, False, 1),
        ("<s><r x='1'/></s>", "<s><r x='1'><n><m/></n></r></s>", None, False, None),  # a subtree is no value
        ("<l><d>1</d><d>2</d></l>", "<l><d>1</d><a>0</a><d>2</d></l>", None, False, None),  # an entry of another kind
        ("<l><r name='a'/></l>", "<l><r name='a'/><n>9</n></l>", None, True, None),  # beside the entries of a list
        ("<l><r name='a'/></l>", "<l><r name='a'><n>9</n></r></l>", None, True, 1),
        ("<l/>", "<l><d>1</d></l>", None, False, None),  # an emptied list is not filled again
        ("<s><p key='a' value='1'/></s>", "<s><p key='a' value='1'/><q key='b' value='2'/></s>", None, False, None),
        ("<s><a>1</a></s>", "<s><a>1</a><n>9</n><n>8</n></s>", None, False, None),  # two of a kind are a list
        ("<s><a>1</a></s>", "<s><a>1</a><o>9</o></s>", "<s><a>0</a><o>9</o></s>", False, None),  # it was there before
        ("<s><a>1</a></s>", "<s><a>1</a><o>8</o></s>", "<s><a>0</a><o>9</o></s>", False, None),  # so was its name
        ("<s><a>1</a></s>", "<s o='8'><a>1</a></s>", "<s o='9'><a>0</a></s>", False, None),
        ("<s><t><a>1</a></t></s>", "<s><t><a>1</a><o>9</o></t></s>", "<s><u><o>9</o></u></s>", False, None),  # moved
        ("<s>text<a>1</a></s>", "<s><a>1</a>text</s>", None, False, None),
        ("<s><a> </a></s>", "<s><a/></s>", None, False, None),
        ("<s><a>1</a></s>", "<s>\n <a>1</a><!-- note -->\n</s>", None, False, 0),
    ],
)
def test_a_value_is_an_addition_only_where_it_can_be_nothing_else(
    sent: str, held: str, before: str | None, within_items: bool, added: int | None
) -> None:
    old = parse_text(before) if before else None
    assert count_additions(parse_text(sent), parse_text(held), old, within_items=within_items) == added


# Old content in another form ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """A value of a rule as a document writes it."""

    attributes: str = ""
    elements: str = ""


HELD_FORMS: dict[str, Callable[[str, str], Field]] = {
    "attribute": lambda n, v: Field(attributes=f"{n}={quoteattr(v)}"),
    "attribute of a namespace": lambda n, v: Field(attributes=f"o:{n}={quoteattr(v)}"),
    "element": lambda n, v: Field(elements=f"<{n}>{escape(v)}</{n}>"),
    "element of a namespace": lambda n, v: Field(elements=f"<o:{n}>{escape(v)}</o:{n}>"),
    "element with a value": lambda n, v: Field(elements=f"<{n} value={quoteattr(v)}/>"),
    "entry": lambda n, v: Field(elements=f"<p name='{n}' value={quoteattr(v)}/>"),
    "entry with a text": lambda n, v: Field(elements=f"<p key='{n}'>{escape(v)}</p>"),
    "entry with children": lambda n, v: Field(elements=f"<p><name>{n}</name><value>{escape(v)}</value></p>"),
    "group of elements": lambda n, v: Field(elements=f"<more><{n}>{escape(v)}</{n}></more>"),
    "assignment": lambda n, v: Field(elements=f"<more>{n}={escape(v)}</more>"),
}
KEPT_FORMS = {name: HELD_FORMS[name] for name in HELD_FORMS if not name.startswith(("entry", "group", "assignment"))}
"""The forms in which a single value may be added to an entry."""
TEXT_FORMS: dict[str, Callable[[str, str], Field]] = {
    "assignment": HELD_FORMS["assignment"],
    "assignment in an attribute": lambda n, v: Field(attributes=f"more={quoteattr(f'{n}: {v}')}"),
    "among words": lambda n, v: Field(elements=f"<more>{n} ({escape(v)}) since 2020</more>"),
    "with another word": lambda n, v: Field(elements=f"<{n}er value={quoteattr(f'{v} -quiet')}/>"),
}
"""The forms in which it may stand in the text of another value."""
SPELLINGS = (str, str.upper, str.lower, lambda name: name[0].upper() + name[1:], lambda name: f"{name[:3]}_{name[3:]}")
LAYOUTS = (
    str,
    str.upper,
    lambda value: f" {value}\n",
    lambda value: f'"{value}"',
    lambda value: value.replace(" ", "  "),
)
TELLING = ("evil.exe", "C:\\old files\\evil.cmd", "8022", "10.0.0.1")


def two_rules(first: Field, second: Field) -> Document:
    rules = "".join(
        f"<rule name='{name}' on='x' {field.attributes}><then>mail</then>{field.elements}</rule>"
        for name, field in (("first", first), ("second", second))
    )
    return Document(f"<rules xmlns:o='urn:o'>{rules}</rules>", "rules", "b1")


@given(
    before=st.sampled_from(sorted(HELD_FORMS)),
    after=st.sampled_from(sorted({**KEPT_FORMS, **TEXT_FORMS})),
    spelling=st.sampled_from(SPELLINGS),
    layout=st.sampled_from(LAYOUTS),
    value=st.sampled_from((*TELLING, "true", "1", "")),
    new_name=st.booleans(),
    moved=st.booleans(),
    sent_elsewhere=st.booleans(),
)
def test_old_content_is_no_addition_in_whatever_form_it_is_kept(
    before: str,
    after: str,
    spelling: Callable[[str], str],
    layout: Callable[[str], str],
    value: str,
    new_name: bool,
    moved: bool,
    sent_elsewhere: bool,
) -> None:
    """By its name where it stood, by its text anywhere: also where another rule rightly holds the same."""
    assume(value in TELLING or (not new_name and not moved and before != "assignment" and after in KEPT_FORMS))
    old = HELD_FORMS[before]("runFile", value)
    kept = {**KEPT_FORMS, **TEXT_FORMS}[after]("other" if new_name else spelling("runFile"), layout(value))
    nothing = Field()
    if moved:
        own, sent, held = two_rules(old, nothing), two_rules(nothing, nothing), two_rules(nothing, kept)
    else:
        there = HELD_FORMS["attribute"]("runFile", value) if sent_elsewhere else nothing
        own, sent, held = two_rules(old, there), two_rules(nothing, there), two_rules(kept, there)
    assert PART.additions(held, sent, own) is None


@given(
    before=st.sampled_from(sorted(HELD_FORMS)),
    after=st.sampled_from(sorted(KEPT_FORMS)),
    value=st.sampled_from(("5", "true", "off")),
    text=st.sampled_from(("runFile", "RUN_FILE", "sent as runFile now", "5", "true", "off")),
    as_rules=st.booleans(),
)
def test_old_content_is_no_addition_whatever_text_was_sent_beside_it(
    before: str, after: str, value: str, text: str, as_rules: bool
) -> None:
    """Nor if a text that was sent is the old name, and another entry was sent the very same value."""
    old, kept, elsewhere = (
        HELD_FORMS[before]("runFile", value),
        KEPT_FORMS[after]("runFile", value),
        f"runFile='{value}'",
    )
    assume(before != "assignment")
    kind = "rule" if as_rules else "user"

    def document(attributes: str, inner: str, other: str) -> str:
        first = f"<{kind} name='first' {attributes}>{inner}</{kind}>"
        return f"<all xmlns:o='urn:o'>{first}<{kind} name='second' {other}/></all>"

    own = document("", f"<deep {old.attributes}><a>1</a>{old.elements}</deep>", "x='0'")
    sent = document("", f"<deep><a>1</a></deep><note>{text}</note>", elsewhere)
    held = document(kept.attributes, f"<deep><a>1</a></deep><note>{text}</note>{kept.elements}", elsewhere)
    if as_rules:
        assert PART.additions(*(Document(one, "rules", "b1") for one in (held, sent, own))) is None
    else:
        lists = (Accounts.of(one, "<groups/>", "b1") for one in (held, sent, own))
        assert AccountsPart().additions(*lists) is None


@given(
    before=st.sampled_from(sorted(HELD_FORMS)),
    after=st.sampled_from(sorted(KEPT_FORMS)),
    default=st.sampled_from(("true", "7", "normal", "UTF-8", "D:\\new")),
)
def test_a_default_with_a_name_and_a_text_of_its_own_is_an_addition(before: str, after: str, default: str) -> None:
    own = two_rules(HELD_FORMS[before]("runFile", "evil.exe"), Field())
    sent = two_rules(Field(), Field())
    assert PART.additions(two_rules(KEPT_FORMS[after]("priority", default), Field()), sent, own) == 1


@given(after=st.sampled_from(sorted(KEPT_FORMS)), spelling=st.sampled_from(SPELLINGS))
def test_a_second_value_of_a_name_that_was_sent_is_no_addition(after: str, spelling: Callable[[str], str]) -> None:
    sent = two_rules(Field(attributes="runFile='good.exe'"), Field())
    kept = KEPT_FORMS[after](spelling("RunFile") if spelling is str else spelling("runFile"), "other.exe")
    held = two_rules(Field(f"runFile='good.exe' {kept.attributes}", kept.elements), Field())
    assume(not kept.attributes.startswith("runFile="))
    assert PART.additions(held, sent, None) is None


# A server that keeps what it held at the same position --------------------------------------------------------------

OPTIONAL = ("user", "admin", "limit")
optional_values = st.dictionaries(st.sampled_from(OPTIONAL), st.sampled_from(("true", "1", "ann")), max_size=2)
entries_of_a_kind = st.lists(st.tuples(st.sampled_from("56789"), optional_values), min_size=1, max_size=4)


def written(entries: list[tuple[str, dict[str, str]]], *, name: str, as_attributes: bool, deep: bool) -> str:
    """Entries with a value that all have, and values that some have."""
    lines = []
    for mark, fields in entries:
        inner = f"<to>{mark}</to>"
        attributes = "".join(f" {key}='{value}'" for key, value in fields.items())
        if not as_attributes:
            inner += "".join(f"<{key}>{value}</{key}>" for key, value in fields.items())
        body = f"<entry{name}{attributes if as_attributes else ''}>{inner}</entry>"
        lines.append(f"<box>{body}</box>" if deep else body)
    return f"<doc><list>{''.join(lines)}</list></doc>"


@given(
    before=entries_of_a_kind,
    sent=entries_of_a_kind,
    name=st.sampled_from(("", " name='one'")),
    as_attributes=st.booleans(),
    deep=st.booleans(),
)
def test_what_was_at_the_same_position_before_is_no_addition(
    before: list[tuple[str, dict[str, str]]],
    sent: list[tuple[str, dict[str, str]]],
    name: str,
    as_attributes: bool,
    deep: bool,
) -> None:
    """Among entries without a name, and among those of one name."""
    assume(len(sent) > 1)
    held = [(mark, {**(before[place][1] if place < len(before) else {}), **f}) for place, (mark, f) in enumerate(sent)]
    assume(held != sent)
    own, desired, after = (
        parse_text(written(entries, name=name, as_attributes=as_attributes, deep=deep))
        for entries in (before, sent, held)
    )
    assert count_additions(desired, after, own) is None


@pytest.mark.parametrize("value", ["5", "on", "0"])
def test_a_short_value_that_another_entry_held_is_no_addition(value: str) -> None:
    """A text of a letter or two tells nothing by itself; with its name it is what the server held."""
    without, held_by_a, held_by_b = (
        parse_text(f"<s><rule name='a'>{inner_a}</rule><rule name='b'>{inner_b}</rule></s>")
        for limit in [f"<limit>{value}</limit>"]
        for inner_a, inner_b in (("", ""), (limit, ""), ("", limit))
    )
    assert count_additions(without, held_by_a, held_by_b) is None
    assert count_additions(without, held_by_a, without) == 1
