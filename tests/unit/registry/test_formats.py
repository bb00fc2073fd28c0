"""Every record says its format; what its reader does not know is refused and never taken for a default."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from types import NoneType
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import assume, given
from hypothesis import strategies as st

import registry
from local.format_fixtures import EXAMPLES
from registry.fleet_records import Backup
from registry.run_records import BackupResult
from registry.serialization import FORMAT_FIELD, Stored, Unreadable, formerly, from_row, to_row
from registry.table import read_row

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SECONDS = st.floats(0, 1e6, allow_subnormal=False).filter(lambda seconds: seconds == 0 or seconds > 1e-100)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=ZONES)  # noqa: DTZ001 # bounds have none
SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bool: st.booleans(),
    int: st.integers(0, 10**9),
    float: SECONDS,
    datetime: TIMES,
}


def stored_classes() -> list[type[Stored]]:
    """All classes of the registry that are stored by themselves."""
    modules = [importlib.import_module(f"registry.{module.name}") for module in pkgutil.iter_modules(registry.__path__)]
    classes = {
        one for module in modules for one in vars(module).values() if is_dataclass(one) and hasattr(one, "FORMAT")
    }
    return sorted(classes, key=lambda one: one.__name__)  # type: ignore[arg-type] # it says no more than dataclass


CLASSES = stored_classes()


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    arguments = get_args(kind)
    if kind in SIMPLE:
        return SIMPLE[kind]
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return st.builds(kind, **{one.name: values_of(hints[one.name]) for one in fields(kind)})
    if arguments[-1] is NoneType:
        return st.none() | values_of(arguments[0])
    if get_origin(kind) is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    return st.dictionaries(TEXTS, values_of(arguments[1]), max_size=2)


RECORDS = st.sampled_from(CLASSES).flatmap(values_of)


def through_dynamodb(row: Mapping[str, Any]) -> dict[str, Any]:
    serializer, deserializer = TypeSerializer(), TypeDeserializer()
    return {name: deserializer.deserialize(serializer.serialize(value)) for name, value in row.items()}


def rows_within(record: Any, row: Any) -> Iterator[tuple[type, dict[str, Any]]]:
    """Each dataclass in a record, with the mapping in its row that stands for it."""
    if is_dataclass(record):
        yield type(record), row
        for one in fields(record):
            yield from rows_within(getattr(record, one.name), row.get(one.name))
    elif isinstance(record, tuple):
        for inner, its_row in zip(record, row, strict=True):
            yield from rows_within(inner, its_row)
    elif isinstance(record, Mapping):
        for key, inner in record.items():
            yield from rows_within(inner, row[key])


@st.composite
def rows_with_a_place(draw: st.DrawFn) -> tuple[type[Stored], dict[str, Any], type, dict[str, Any]]:
    """A model, a row of it, and a place in the row: which dataclass it stands for, and the mapping itself."""
    record = draw(RECORDS)
    row = through_dynamodb(to_row(record))
    place_model, place = draw(st.sampled_from(list(rows_within(record, row))))
    return type(record), row, place_model, place


def former_names(model: type) -> dict[str, str]:
    """Former names of a dataclass' fields, and what each is called now."""
    return {old: one.name for one in fields(model) for old in one.metadata.get("formerly", ())}


def classes_within(kind: Any) -> Iterator[type]:
    """A type's dataclasses, its own included."""
    if is_dataclass(kind) and isinstance(kind, type):
        yield kind
        for hint in get_type_hints(kind).values():
            yield from classes_within(hint)
    for argument in get_args(kind):
        yield from classes_within(argument)


RENAMED = [model for model in CLASSES if any(former_names(inner) for inner in classes_within(model))]
RENAMED_RECORDS = st.sampled_from(RENAMED).flatmap(values_of)


class TestGenerated:
    @given(RECORDS)
    def test_what_is_written_is_read_back_equal_and_says_its_format(self, record: Any) -> None:
        row = through_dynamodb(to_row(record))
        assert row[FORMAT_FIELD] == record.FORMAT
        assert from_row(type(record), row) == record

    @given(RECORDS)
    def test_what_is_the_tables_own_is_no_part_of_it(self, record: Any) -> None:
        row = through_dynamodb({**to_row(record), "pk": "X", "sk": "Y", "expires_at": 1, "revision": 2})
        assert read_row(type(record), row) == record

    @given(rows_with_a_place(), TEXTS.filter(bool))
    def test_an_attribute_more_is_refused(self, generated: tuple[Any, Any, type, dict[str, Any]], name: str) -> None:
        model, row, place_model, place = generated
        names = {FORMAT_FIELD, *former_names(place_model), *(one.name for one in fields(place_model))}
        assume(name not in names)
        place[name] = "planted-value"
        with pytest.raises(Unreadable, match="not known") as refused:
            from_row(model, row)
        assert "planted" not in str(refused.value)

    @given(rows_with_a_place(), TEXTS.filter(bool), st.data())
    def test_a_renamed_attribute_is_refused(
        self, generated: tuple[Any, Any, type, dict[str, Any]], name: str, data: st.DataObject
    ) -> None:
        model, row, place_model, place = generated
        own = sorted(place.keys() - {FORMAT_FIELD})
        assume(own)
        chosen = data.draw(st.sampled_from(own))
        assume(name != chosen and former_names(place_model).get(name) != chosen)
        place[name] = place.pop(chosen)
        with pytest.raises(Unreadable):
            from_row(model, row)

    @given(rows_with_a_place(), st.data())
    def test_a_missing_attribute_is_refused_though_it_has_a_default(
        self, generated: tuple[Any, Any, type, dict[str, Any]], data: st.DataObject
    ) -> None:
        model, row, place_model, place = generated
        hints = get_type_hints(place_model)
        own = [name for name in place if name != FORMAT_FIELD and get_args(hints[name])[-1:] != (NoneType,)]
        assume(own)
        del place[data.draw(st.sampled_from(sorted(own)))]
        with pytest.raises(Unreadable, match="missing"):
            from_row(model, row)

    @given(
        RECORDS,
        st.integers(-(10**30), 10**30).map(Decimal)
        | st.sampled_from([Decimal("1.5"), "1", "", True, None, [], {}, Decimal("1E+120")]),
    )
    def test_another_format_is_refused(self, record: Any, number: object) -> None:
        assume(isinstance(number, bool) or number not in range(1, record.FORMAT + 1))
        with pytest.raises(Unreadable, match="format"):
            from_row(type(record), {**to_row(record), FORMAT_FIELD: number})

    @given(RECORDS, st.data())
    def test_before_there_were_numbers_a_missing_attribute_was_its_default(
        self, record: Any, data: st.DataObject
    ) -> None:
        row = to_row(record)
        del row[FORMAT_FIELD]
        defaults = {
            one.name: one.default if one.default_factory is MISSING else one.default_factory()
            for one in fields(record)
            if one.default is not MISSING or one.default_factory is not MISSING
        }
        left_out = data.draw(st.sets(st.sampled_from(sorted(defaults)))) if defaults else set()
        read = from_row(type(record), {name: value for name, value in row.items() if name not in left_out})
        for one in fields(record):
            expected = defaults[one.name] if one.name in left_out else getattr(record, one.name)
            assert getattr(read, one.name) == expected

    @given(RENAMED_RECORDS, st.booleans())
    def test_a_former_name_is_read_as_the_present_one_and_both_are_refused(self, record: Any, numbered: bool) -> None:
        row = through_dynamodb(to_row(record))
        if not numbered:
            del row[FORMAT_FIELD]
        places = [
            (place, old, new)
            for model, place in rows_within(record, row)
            for old, new in former_names(model).items()
            if new in place
        ]
        for place, old, new in places:
            place[old] = place.pop(new)
        assert from_row(type(record), row) == record
        for place, old, new in places:
            place[new] = place[old]
            with pytest.raises(Unreadable, match="twice"):
                from_row(type(record), row)
            del place[new]


def test_the_renamed_field_of_a_result_is_among_those_that_were_tried() -> None:
    assert BackupResult in RENAMED
    assert former_names(BackupResult) == {"seen": "fingerprints"}


class TestDeclarations:
    @dataclass(frozen=True)
    class Inner:
        now: str = field(default="", metadata=formerly("before", "long_before"))

    @dataclass(frozen=True)
    class Outer:
        FORMAT: ClassVar[int] = 3

        inner: "TestDeclarations.Inner"

    @pytest.mark.parametrize("name", ["now", "before", "long_before"])
    @pytest.mark.parametrize("number", [{}, {"format": 1}, {"format": 2}, {"format": 3}])
    def test_a_field_in_a_field_is_read_under_each_of_its_names(self, name: str, number: dict[str, int]) -> None:
        assert from_row(self.Outer, {**number, "inner": {name: "x"}}) == self.Outer(self.Inner("x"))

    def test_only_an_older_format_may_lack_a_field(self) -> None:
        assert from_row(self.Outer, {"format": 2, "inner": {}}) == self.Outer(self.Inner())
        with pytest.raises(Unreadable, match=r"inner\.now: is missing"):
            from_row(self.Outer, {"format": 3, "inner": {}})

    def test_a_complaint_says_which_format_and_which_attribute(self) -> None:
        with pytest.raises(Unreadable, match="format: 4 is not known here; the newest known one is 3"):
            from_row(self.Outer, {"format": 4, "inner": {}})
        with pytest.raises(Unreadable, match=r"inner\.later: is not known here"):
            from_row(self.Outer, {"format": 3, "inner": {"now": "", "later": ""}})

    def test_an_unknown_name_is_shown_cut_and_without_control_characters(self) -> None:
        with pytest.raises(Unreadable) as refused:
            from_row(self.Outer, {"inner": {}, "\n\x1b[31m" + "x" * 10_000: 1})
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 150

    def test_a_name_is_never_used_for_two_fields(self) -> None:
        @dataclass(frozen=True)
        class Reused:
            FORMAT: ClassVar[int] = 1
            one: str = field(default="", metadata=formerly("other"))
            other: str = ""

        @dataclass(frozen=True)
        class Reserved:
            FORMAT: ClassVar[int] = 1
            format: str = ""

        for model in (Reused, Reserved):
            with pytest.raises(TypeError, match=model.__name__):
                from_row(model, {})


def test_every_stored_class_has_an_example_and_with_it_a_fixture() -> None:
    assert {type(example) for example in EXAMPLES.values()} == set(CLASSES)


def test_a_registration_of_a_newer_version_is_not_one_without_patterns() -> None:
    row = to_row(Backup("b1", "files.example", 8443, rules=("nodeHostName",)))
    row["keep"] = row.pop("rules")
    for format_number in ({}, {"format": 1}, {"format": 2}):
        newer = {name: value for name, value in row.items() if name != FORMAT_FIELD} | format_number
        with pytest.raises(Unreadable):
            from_row(Backup, newer)
