"""Entries that bear no name: which of them is which, by what is in them."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.documents.diff import Kind, differences
from replication.documents.keep_patterns import Rules
from replication.documents.merge import merge
from tests.support.documents import parse_text

KEYS = ("path", "quota", "owner", "mode")
type Entry = tuple[int, dict[str, str]]


def entries(random: Random) -> list[Entry]:
    """Entries without names. Each has values that no other has, beside some that many have."""
    return [
        (truth, {key: f"{key}{truth}" for key in random.sample(KEYS, random.randint(2, 4))} | {"active": "true"})
        for truth in range(random.randint(2, 6))
    ]


def written(listed: list[Entry], style: str) -> str:
    def one(fields: dict[str, str]) -> str:
        if style == "attributes":
            return "<site " + " ".join(f"{key}='{value}'" for key, value in fields.items()) + "/>"
        inner = "".join(f"<{key}>{value}</{key}>" for key, value in fields.items())
        return f"<site><box>{inner}</box></site>" if style == "deep" else f"<site>{inner}</site>"

    return f"<s><sites>{''.join(one(fields) for _, fields in listed)}</sites></s>"


@given(st.integers(0, 2**32), st.sampled_from(("attributes", "elements", "deep")))
def test_what_is_listed_of_nameless_entries_is_what_was_edited(seed: int, style: str) -> None:
    """Entries came, went and moved, and in each of the others one value at most was changed."""
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    before = entries(random)
    after = [(truth, dict(fields)) for truth, fields in before if random.random() < 0.7]
    expected: Counter[tuple[Kind, str | None, str | None]] = Counter()
    for _, fields in after:
        if random.random() < 0.5:
            key = random.choice(sorted(fields.keys() - {"active"}))
            expected[Kind.CHANGED, fields[key], f"new{fields[key]}"] += 1
            fields[key] = f"new{fields[key]}"
    stayed = {truth for truth, _ in after}
    for truth, fields in before:
        if truth not in stayed:
            expected.update((Kind.REMOVED, value, None) for value in fields.values())
    for number in range(random.randint(0, 2)):
        after.insert(random.randint(0, len(after)), (100 + number, {"path": f"added{number}", "mode": f"m{number}"}))
        expected.update([(Kind.ADDED, None, f"added{number}"), (Kind.ADDED, None, f"m{number}")])
    if len(before) == len(after) == 1 or (stayed != {truth for truth, _ in before} and len(after) > len(stayed)):
        return  # one that went and one that came may be one that was changed
    own, desired = (parse_text(written(listed, style)) for listed in (before, after))
    listed = [one for one in differences(own, desired) if one.before is not None or one.after is not None]
    assert Counter((one.kind, one.before, one.after) for one in listed) == expected


@pytest.mark.parametrize("on_primary", ["", "<shares/>", "<shares><share><path>/new</path></share></shares>"])
@given(st.integers(0, 2**32))
def test_a_kept_value_is_not_listed_because_the_entry_that_it_is_in_has_no_name(on_primary: str, seed: int) -> None:
    """Entries that only the backup has lose all but what is kept in them."""
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    shares = [
        f"<share><mark>m{truth}</mark>{f'<certFile>kept{truth}</certFile>' if random.random() < 0.6 else ''}</share>"
        for truth in range(random.randint(1, 6))
    ]
    primary = parse_text(f"<s><site name='a'><x>1</x></site><site name='b'>{on_primary}</site></s>")
    own = parse_text(f"<s><site name='a'/><site name='c'><shares>{''.join(shares)}</shares></site></s>")
    merged = merge(primary, own, Rules.standard())
    listed = [one.before for one in differences(own, merged) if one.kind is not Kind.ADDED]
    assert not [value for value in listed if value and value.startswith("kept")]
