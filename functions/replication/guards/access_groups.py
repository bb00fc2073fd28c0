"""Finds the members of added and removed groups, and the groups that give a new account access.

A group gives rights to its members even if it is added after them. Only accounts that exist on the backup count: a new
account is judged when it is added.
"""

from collections.abc import Iterator
from functools import cached_property

from lxml import etree

from common.safe_xml import parse
from replication.documents.canonical import folded
from replication.documents.diff import Difference, Kind, values_of
from replication.documents.entry_names import names_of
from replication.documents.items import Item
from replication.documents.runtime_values import RUNTIME_NAMES
from replication.guards.access_judgement import judge
from replication.guards.access_places import place_of
from replication.guards.access_scales import Change, Verdict, list_entries, roles
from replication.parts.accounts import GROUPS, Accounts
from replication.parts.base import ListDocument
from replication.plan import PartPlan


class Groups:
    """The groups of one plan. They are looked up when they are first needed."""

    def __init__(self, plan: PartPlan, own: Accounts, desired: Accounts) -> None:
        self._plan, self._own, self._desired = plan, own, desired

    def has_members(self, item: Item) -> bool:
        """Whether an added or removed group has members: an account names the group, or the group lists users."""
        return any(
            element is not None and (not _aliases(element).isdisjoint(self._named) or self._lists_members(element))
            for element in item.elements
        )

    def opens(self, value: str | None) -> bool:
        """Whether one of the groups that a new account names gives it special access."""
        return roles(Change(None, value)) is Verdict.YES or not list_entries(value).isdisjoint(self._opening)

    @cached_property
    def _named(self) -> frozenset[str]:
        """The names of added and removed groups that an account names."""
        moving = (item for item in self._plan.items() if item.within == GROUPS and item.kind is not Kind.CHANGED)
        wanted = {name for item in moving for one in item.elements if one is not None for name in _aliases(one)}
        named: set[str] = set()
        for element in self._present():
            texts = (name for text in _texts(element) for name in list_entries(text))
            if any(name in wanted and name not in named for name in texts):
                named |= wanted & _groups_of(element)
        return frozenset(named)

    @cached_property
    def _opening(self) -> frozenset[str]:
        groups = _elements(self._desired.groups, frozenset(self._desired.groups.items.entries))
        return frozenset(name for group in groups if opening_path(values(group)) for name in _aliases(group))

    def _lists_members(self, group: etree._Element) -> bool:
        words = ("member", "user", "account")
        lists = (
            one
            for one in values(group)
            if any(word in label for step in one.steps for label in step.labels for word in words)
        )
        return any(not self._staying_users.isdisjoint(list_entries(one.after)) for one in lists)

    @cached_property
    def _staying_users(self) -> frozenset[str]:
        return frozenset(self._own.users.items.entries.keys() & self._desired.users.items.entries.keys())

    def _present(self) -> Iterator[etree._Element]:
        """The accounts in the desired documents that exist on the backup, and the documents' content outside of
        accounts.
        """
        for own, desired in ((self._own.users, self._desired.users), (self._own.groups, self._desired.groups)):
            yield from _elements(desired, frozenset(own.items.entries.keys() & desired.items.entries.keys()))
            if (outside := desired.around_items) is not None:
                yield parse(outside)


def values(element: etree._Element | None) -> list[Difference]:
    """All values of a user or group."""
    return [] if element is None else list(values_of(element, (), ignored=RUNTIME_NAMES))


def opening_path(held: list[Difference]) -> str:
    """The path of a value that gives a new account or a group unusual access; empty if there is none."""
    for one in held:
        judged = judge(place_of(one.steps), Change(None, one.after), of_server=False)
        if judged and judged.opens_account:
            return one.path
    return ""


def _elements(document: ListDocument, keys: frozenset[str]) -> Iterator[etree._Element]:
    yield from map(parse, document.excerpts(keys).values())


def _aliases(group: etree._Element) -> frozenset[str]:
    """All names of a group: its name and its id."""
    return frozenset(folded(value.strip()) for _, value in names_of(group))


def _texts(element: etree._Element) -> Iterator[str]:
    for one in element.iter():
        if one.text:
            yield one.text
        yield from map(str, one.attrib.values())


def _groups_of(element: etree._Element) -> frozenset[str]:
    """The groups that an account names."""
    return frozenset(
        name for one in values(element) if "group" in place_of(one.steps).anywhere for name in list_entries(one.after)
    )
