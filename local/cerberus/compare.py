"""Independent answers to two questions about replication.

Is a backup equal to its primary in everything that is replicated? Has it kept every value that belongs to its machine?
The answers come from walking the modelled documents along known paths; no code and no keep pattern of the product is
used. Differences name places and never values, because values may be secrets.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from local.cerberus import documents
from local.cerberus.state import Snapshot

PARTS = (
    "settings",
    "authentication",
    "accounts",
    "event_rules",
    "mime_mappings",
    "ip_block_lists",
    "account_requests",
)
"""The parts that are replicated by default. ``listeners`` and ``auto_block_list`` can be added."""

_DOCUMENTS = {
    "event_rules": ("event_rules",),
    "ip_block_lists": ("ip_block_list",),
    "auto_block_list": ("auto_block_list",),
    "account_requests": ("requested_accounts",),
    "authentication": ("authentication",),
}

type Values = dict[str, str]


@dataclass(frozen=True, order=True)
class Difference:
    """One place where two servers differ. ``kind`` is missing, extra or changed, from the point of view of the second
    server.
    """

    part: str
    path: str
    kind: str

    def __str__(self) -> str:
        return f"{self.part}: {self.path} {self.kind}"


def replicable_differences(primary: Snapshot, backup: Snapshot, parts: Iterable[str] = PARTS) -> list[Difference]:
    """Where the backup differs from the primary. Run-time values and machine-specific values are ignored."""
    return [
        difference
        for part in parts
        for difference in (
            _account_differences(primary, backup)
            if part == "accounts"
            else _differences(part, replicable_view(primary, part), replicable_view(backup, part))
        )
    ]


def kept_machine_values(before: Snapshot, after: Snapshot, parts: Iterable[str] = PARTS) -> list[Difference]:
    """Where a machine-specific value of a backup was changed, removed or added; empty if all were kept.

    Content that ``parts`` does not replicate (listeners, the automatic block list) counts as machine-specific.
    """
    replicated = set(parts)
    return _differences("machine", machine_view(before, replicated), machine_view(after, replicated))


def _account_differences(primary: Snapshot, backup: Snapshot) -> list[Difference]:
    """Compare user by user and group by group, because all values of 20,000 users at once would take a gigabyte."""
    differences: list[Difference] = []
    for name in ("profiles", "groups"):
        roots = [documents.parse(server.documents[name]) for server in (primary, backup)]
        differences += _differences("accounts", *({f"{name}/": root.tag, **_attributes(name, root)} for root in roots))
        first, second = (documents.items(root) for root in roots)
        for item in sorted(first.keys() | second.keys()):
            one, other = first.get(item), second.get(item)
            if not _written_alike(one, other):  # most are equal, and comparing all values takes twenty times as long
                path = f"{name}/{item}"
                differences += _differences("accounts", _item_view(path, one), _item_view(path, other))
    return differences


def _written_alike(one: etree._Element | None, other: etree._Element | None) -> bool:
    return (
        one is not None
        and other is not None
        and etree.tostring(one, with_tail=False) == etree.tostring(other, with_tail=False)
    )


def _attributes(path: str, root: etree._Element) -> Values:
    return {f"{path}/@{name!s}": str(value) for name, value in root.items()}


def _item_view(path: str, item: etree._Element | None) -> Values:
    if item is None:
        return {}
    return {f"{path}/{place}": value for place, value in documents.flatten(item).items() if not _run_time(place)}


def replicable_view(server: Snapshot, part: str) -> Values:
    """One part of a server, except accounts, as values by path, without machine-specific values."""
    if part == "settings":
        return {path: value for path, value in _flat(server, "settings").items() if not is_machine_setting(path)}
    if part == "mime_mappings":
        return {each["ext"]: each["type"] for each in server.mime}
    if part == "listeners":
        return _listeners(server, own=False)
    values: Values = {}
    for name in _DOCUMENTS[part]:
        values |= {f"{name}/{path}": value for path, value in _flat(server, name).items()}
    if part == "authentication":
        for number, source in enumerate(server.sources):
            values |= _flat_mapping(f"list/{number}", source)
    return values


def machine_view(server: Snapshot, parts: Iterable[str] = PARTS) -> Values:
    """Everything on a server that replication of ``parts`` must not change, as values by path."""
    parts = set(parts)
    values = {path: value for path, value in _flat(server, "settings").items() if is_machine_setting(path)}
    if "settings" not in parts:
        values |= {f"settings/{path}": value for path, value in _flat(server, "settings").items()}
    values |= {f"listeners/{path}": value for path, value in _listeners(server, own=True).items()}
    if "listeners" not in parts:
        values |= {f"listeners/{path}": value for path, value in _listeners(server, own=False).items()}
    if "auto_block_list" not in parts:
        values |= {f"auto_block_list/{path}": value for path, value in _flat(server, "auto_block_list").items()}
    return {**values, "hostname": server.hostname, "version": ".".join(map(str, server.version))}


def is_machine_setting(path: str) -> bool:
    """Whether a path of the modelled settings is, or is inside, a machine-specific one."""
    return any(
        path == setting or path.startswith(f"{setting}/")
        for paths in documents.MACHINE_SETTINGS.values()
        for setting in paths
    )


def _differences(part: str, first: Mapping[str, str], second: Mapping[str, str]) -> list[Difference]:
    differences = [Difference(part, path, "missing") for path in first.keys() - second.keys()]
    differences += [Difference(part, path, "extra") for path in second.keys() - first.keys()]
    differences += [
        Difference(part, path, "changed") for path in first.keys() & second.keys() if first[path] != second[path]
    ]
    return sorted(differences)


def _flat(server: Snapshot, document: str) -> Values:
    text = server.documents[document]
    return documents.flatten(documents.parse(text))


def _run_time(path: str) -> bool:
    return path.rpartition("/")[2] in documents.RUN_TIME


def _listeners(server: Snapshot, *, own: bool) -> Values:
    """Listeners by protocol and port: the machine's ``own`` values (id, address, passive settings) or the others."""
    values: Values = {}
    for listener in server.interfaces:
        options: dict[str, Any] = dict(listener["options"])
        passive = options.pop("passiveSettings", {})
        name = f"{listener['type']}:{options['listenPort']}"
        if own:
            values |= {f"{name}/id": str(listener["id"]), f"{name}/ipAddress": listener.get("ipAddress", "")}
            values |= _flat_mapping(f"{name}/passiveSettings", passive)
        else:
            values |= _flat_mapping(name, options)
    return values


def _flat_mapping(prefix: str, mapping: Mapping[str, Any]) -> Values:
    return {f"{prefix}/{name}": str(value) for name, value in mapping.items()}
