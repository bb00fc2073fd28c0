"""Listeners: options go over, addresses and passive settings stay the backup's own."""

import json
from collections import defaultdict
from dataclasses import asdict, replace

from common.errors import Failure, Reason
from replication.documents import canonical
from replication.model import PartName, Policy
from replication.parts.base import Part
from replication.ports import Listener, ReadableServer, WritableServer

type Listeners = tuple[Listener, ...]

PORT = "listenPort"
OWN_OPTIONS = frozenset({"passiveSettings"})
"""Options that name an address of the backup's own machine."""
_NAMED = 5


class ListenersPart(Part[Listeners]):
    """GetInterfaceList, ModifyInterface and CommitSettings.

    A listener of the primary and one of the backup belong together when
    protocol and port are the same. One without a counterpart is left alone on
    either side: it cannot be created or removed without knowing the machine's
    addresses. In an earlier state of its own a listener is the one with the same
    id, protocol and address: no call changes those, so any other state is refused.
    """

    name = PartName.LISTENERS
    shows_before_it_lasts = True

    def read(self, server: ReadableServer) -> Listeners:
        listeners = server.listeners()
        if len(_by_id(listeners)) != len(listeners):
            raise Failure(Reason.DOCUMENT_MALFORMED, "two of its listeners have the same id", server=server.label)
        return listeners

    def validate(self, state: Listeners) -> None:
        """Typed values were checked when they were read."""

    def blanks(self, state: Listeners) -> frozenset[str]:
        return frozenset() if state else frozenset({"list"})

    def desired(self, primary: Listeners, own: Listeners, policy: Policy) -> Listeners:
        if policy.exact:
            _check_same_sockets(primary, own)
            return primary
        counterparts = _by_protocol_and_port(primary)
        taken: defaultdict[tuple[int, object], int] = defaultdict(int)
        desired = []
        for listener in sorted(own, key=lambda listener: listener.id):
            key = _key(listener)
            candidates = counterparts.get(key)
            if candidates:
                # The same port on several addresses: pair them in order, the last one serves all that are left.
                source = candidates[min(taken[key], len(candidates) - 1)]
                taken[key] += 1
                shared = {name: value for name, value in source.options.items() if name not in OWN_OPTIONS}
                desired.append(replace(listener, options={**listener.options, **shared}))
            else:
                desired.append(listener)
        return tuple(desired)

    def warnings(self, primary: Listeners, own: Listeners, policy: Policy) -> tuple[str, ...]:
        present = _by_protocol_and_port(own)
        return tuple(
            f"The primary's listener of protocol {listener.protocol} on port {listener.options.get(PORT)} "
            "has no counterpart on the backup."
            for listener in primary
            if _key(listener) not in present
        )

    def same(self, left: Listeners, right: Listeners, policy: Policy) -> bool:
        return _by_id(left) == _by_id(right)

    def fingerprint(self, state: Listeners, policy: Policy) -> str:
        return canonical.digest(str(sorted(_values(state).items())))

    def dump(self, state: Listeners) -> str:
        return json.dumps([asdict(listener) for listener in state])

    def load(self, text: str, server: str) -> Listeners:
        return tuple(Listener(**listener) for listener in json.loads(text))

    def write(self, server: WritableServer, own: Listeners, desired: Listeners, policy: Policy) -> None:
        before = _by_id(own)
        # An id that another listener bears by now would get the options of this one.
        if _sockets(server.listeners()) != _sockets(own):
            raise Failure(
                Reason.LISTENERS_CHANGED,
                "its listeners were changed after they were read; none was written",
                server=server.label,
            )
        for listener in desired:
            if before.get(listener.id) != listener:
                server.write_listener(listener)
        server.commit_listeners(server.listeners(), server.settings())


def _key(listener: Listener) -> tuple[int, object]:
    return listener.protocol, listener.options.get(PORT)


def _by_protocol_and_port(listeners: Listeners) -> dict[tuple[int, object], list[Listener]]:
    grouped: defaultdict[tuple[int, object], list[Listener]] = defaultdict(list)
    for listener in sorted(listeners, key=lambda listener: listener.id):
        grouped[_key(listener)].append(listener)
    return grouped


def _by_id(listeners: Listeners) -> dict[int, Listener]:
    return {listener.id: listener for listener in listeners}


def _values(listeners: Listeners) -> dict[str, object]:
    values: dict[str, object] = {}
    for listener in listeners:
        values[f"{listener.id}/(protocol)"] = listener.protocol
        values[f"{listener.id}/(address)"] = listener.address
        values |= {f"{listener.id}/{name}": value for name, value in listener.options.items()}
    return values


def _sockets(listeners: Listeners) -> dict[int, tuple[int, str]]:
    """By id what no call changes: protocol and address."""
    return {listener.id: (listener.protocol, listener.address) for listener in listeners}


def _check_same_sockets(before: Listeners, own: Listeners) -> None:
    """Raise Failure(SNAPSHOT_UNFIT) unless the backup has exactly the listeners that were kept."""
    kept, present = _sockets(before), _sockets(own)
    differing = sorted(id_ for id_ in kept.keys() | present.keys() if kept.get(id_) != present.get(id_))
    if differing:
        named = ", ".join(map(str, differing[:_NAMED])) + (", ..." if len(differing) > _NAMED else "")
        raise Failure(
            Reason.SNAPSHOT_UNFIT,
            f"listeners were added, removed or given another protocol or address since it was kept (ids {named})",
        )
