"""Listeners: their options are replicated. Addresses and passive settings stay as the backup has them."""

import json
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace

from common.errors import Failure, Reason
from replication.documents import canonical
from replication.documents.items import Item, by_unique_key, record_items
from replication.model import PartName, Policy
from replication.parts.base import Part
from replication.ports import Listener, ReadableServer, WritableServer

type Listeners = tuple[Listener, ...]

PORT = "listenPort"
OWN_OPTIONS = frozenset({"passiveSettings"})
"""Options that contain an address of the backup's machine."""
ADDRESS = "address"
_NAMED = 5


class ListenersPart(Part[Listeners]):
    """The part that uses GetInterfaceList, ModifyInterface and CommitSettings.

    A listener of the primary matches one of the backup with the same protocol and port; among several, one with the
    same address is preferred. A listener without a counterpart is left alone: it cannot be created or removed without
    knowing the machine's addresses. A text option that a server omits counts as empty. A backup's own earlier state is
    rejected unless every listener still has its id, protocol and address, which no SOAP call changes. Whether a change
    by ModifyInterface survives a restart is not public, so CommitSettings follows it.
    """

    name = PartName.LISTENERS
    shows_before_it_lasts = True

    def read(self, server: ReadableServer) -> Listeners:
        listeners = server.listeners()
        if len(_by_id(listeners)) != len(listeners):
            raise Failure(Reason.DOCUMENT_MALFORMED, "two of its listeners have the same id", server=server.label)
        return listeners

    def validate(self, state: Listeners) -> None:
        """Nothing to check: typed values were checked when they were read."""

    def blanks(self, state: Listeners) -> frozenset[str]:
        return frozenset() if state else frozenset({"list"})

    def desired(self, primary: Listeners, own: Listeners, policy: Policy) -> Listeners:
        if policy.exact:
            _check_same_sockets(primary, own)
            return primary
        sources = _counterparts(primary, own)
        return tuple(_with_options_of(sources.get(listener.id), listener) for listener in own)

    def warnings(self, primary: Listeners, own: Listeners, policy: Policy) -> tuple[str, ...]:
        present, wanted = _by_protocol_and_port(own), _by_protocol_and_port(primary)
        return (
            *(_alone("primary", listener, "backup") for listener in primary if _key(listener) not in present),
            *(_alone("backup", listener, "primary") for listener in own if _key(listener) not in wanted),
        )

    def kept_differences(self, primary: Listeners, desired: Listeners, policy: Policy) -> tuple[str, ...]:
        """Addresses and passive settings of the backup that differ."""
        sources = {} if policy.exact else _counterparts(primary, desired)
        paths = (
            f"{label(listener)}/{name}"
            for listener in sorted(desired, key=lambda listener: listener.id)
            if (source := sources.get(listener.id))
            for name in _own_and_differing(source, listener)
        )
        return tuple(dict.fromkeys(paths))

    def same(self, left: Listeners, right: Listeners, policy: Policy) -> bool:
        return _sockets(left) == _sockets(right) and _values(left) == _values(right)

    def fingerprint(self, state: Listeners, policy: Policy) -> str:
        return canonical.digest(str(sorted(_values(state).items())))

    def items(self, own: Listeners, desired: Listeners) -> Iterator[Item]:
        return record_items(_records(own), _records(desired))

    def dump(self, state: Listeners) -> str:
        return json.dumps([asdict(listener) for listener in state])

    def load(self, text: str, server: str) -> Listeners:
        return tuple(Listener(**listener) for listener in json.loads(text))

    def write(self, server: WritableServer, own: Listeners, desired: Listeners, policy: Policy) -> None:
        before = _by_id(own)
        # If a listener's id now belongs to another listener, the other one would get its options.
        if _sockets(server.listeners()) != _sockets(own):
            raise Failure(
                Reason.LISTENERS_CHANGED,
                "its listeners were changed after they were read; none was written",
                server=server.label,
            )
        for listener in desired:
            held = before.get(listener.id)
            if held is None or not self.same((held,), (listener,), policy):
                # A server may keep the old value of an omitted option, so the option is sent empty.
                cleared = dict.fromkeys(_texts(held.options if held else {}), "")
                server.write_listener(replace(listener, options={**cleared, **listener.options}))
        server.commit_listeners(server.listeners(), server.settings())


def _key(listener: Listener) -> tuple[int, object]:
    return listener.protocol, listener.options.get(PORT)


def _by_protocol_and_port(listeners: Listeners) -> dict[tuple[int, object], list[Listener]]:
    return canonical.grouped(sorted(listeners, key=lambda listener: listener.id), _key)


def label(listener: Listener) -> str:
    """The name of a listener in plans."""
    return f"protocol {listener.protocol} port {listener.options.get(PORT)}"


def _alone(side: str, listener: Listener, other: str) -> str:
    return (
        f"The {side}'s listener of protocol {listener.protocol} on port {listener.options.get(PORT)} "
        f"has no counterpart on the {other}."
    )


def _counterparts(primary: Listeners, own: Listeners) -> dict[int, Listener]:
    """The primary's listener for each listener of the backup, by the backup's listener id.

    Among several on one port, those with the same address match. The others are paired in the order of their ids, and
    the last one is used for all remaining ones.
    """
    sources: dict[int, Listener] = {}
    theirs = _by_protocol_and_port(primary)
    for key, ours in _by_protocol_and_port(own).items():
        at_address: defaultdict[str, deque[Listener]] = defaultdict(deque)
        for source in theirs.get(key, ()):
            at_address[source.address].append(source)
        for listener in ours:
            if same := at_address.get(listener.address):
                sources[listener.id] = same.popleft()
        taken = {source.id for source in sources.values()}
        left = deque(source for source in theirs.get(key, ()) if source.id not in taken)
        serves_all = left[-1] if left else theirs[key][-1] if key in theirs else None
        for listener in ours:
            if listener.id not in sources and serves_all:
                sources[listener.id] = left.popleft() if left else serves_all
    return sources


def _with_options_of(source: Listener | None, own: Listener) -> Listener:
    """The backup's listener with the options of its counterpart. A text option that the counterpart lacks is
    emptied.
    """
    if source is None:
        return own
    texts = _texts(own.options)
    kept = {name: value for name, value in own.options.items() if name in OWN_OPTIONS or name not in texts}
    shared = {name: value for name, value in source.options.items() if name not in OWN_OPTIONS}
    return replace(own, options={**kept, **shared})


def _texts(options: Mapping[str, object]) -> frozenset[str]:
    return frozenset(name for name, value in options.items() if isinstance(value, str) and value)


def _own_and_differing(source: Listener, own: Listener) -> Iterator[str]:
    if source.address != own.address:
        yield ADDRESS
    yield from (name for name in sorted(OWN_OPTIONS) if source.options.get(name) != own.options.get(name))


def _by_id(listeners: Listeners) -> dict[int, Listener]:
    return {listener.id: listener for listener in listeners}


def _values(listeners: Listeners) -> dict[str, object]:
    values: dict[str, object] = {}
    for listener in listeners:
        values[f"{listener.id}/(protocol)"] = listener.protocol
        values[f"{listener.id}/(address)"] = listener.address
        values |= {f"{listener.id}/{name}": value for name, value in listener.options.items() if value != ""}
    return values


def _sockets(listeners: Listeners) -> dict[int, tuple[int, str]]:
    """Each listener's protocol and address by its id. No SOAP call changes any of them."""
    return {listener.id: (listener.protocol, listener.address) for listener in listeners}


def _check_same_sockets(before: Listeners, own: Listeners) -> None:
    """Raise Failure(SNAPSHOT_UNFIT) unless the backup has exactly the listeners of the snapshot."""
    kept, present = _sockets(before), _sockets(own)
    differing = sorted(id_ for id_ in kept.keys() | present.keys() if kept.get(id_) != present.get(id_))
    if differing:
        named = ", ".join(map(str, differing[:_NAMED])) + (", ..." if len(differing) > _NAMED else "")
        raise Failure(
            Reason.SNAPSHOT_UNFIT,
            "listeners were added, removed or given another protocol or address since the snapshot was kept "
            f"(ids {named})",
        )


def _records(listeners: Listeners) -> dict[str, dict[str, object]]:
    return by_unique_key(
        (label(listener), {name: value for name, value in listener.options.items() if value != ""})
        for listener in sorted(listeners, key=lambda listener: listener.id)
    )
