"""Changes made by hand on one server, which replication has to find and repair.

Every action takes the state and plain values, so that the control endpoint can also call it (``ACTIONS`` by name). An
unknown name is a LookupError: a change without effect would make a test prove nothing.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from local.cerberus import documents
from local.cerberus.contract import COMMON
from local.cerberus.generate import ip_entry
from local.cerberus.state import ServerState
from local.cerberus.values import escape, escape_attribute

ACTIONS: dict[str, Callable[..., None]] = {}


def _action[**P](function: Callable[P, None]) -> Callable[P, None]:
    ACTIONS[function.__name__] = function
    return function


def _append(state: ServerState, document: str, xml: str) -> None:
    with state.edit(document) as tree:
        tree.append(documents.parse(f'<ns1:x xmlns:ns1="{COMMON}">{xml}</ns1:x>')[0])


def _remove(state: ServerState, document: str, path: str) -> None:
    with state.edit(document) as tree:
        if not documents.remove(tree, path):
            raise LookupError(path)


def _set(state: ServerState, document: str, path: str, value: str) -> None:
    with state.edit(document) as tree:
        documents.set_value(tree, path, value)


def _set_in_item(state: ServerState, document: str, item: str, path: str, value: str) -> None:
    with state.edit(document) as tree:
        element = documents.find(tree, item)
        if element is None:
            raise LookupError(item)
        documents.set_value(element, path, value)


@_action
def add_user(state: ServerState, name: str, password_hash: str = "HANDMADE") -> None:  # noqa: S107  a marker
    """Add a user that has only a name and a password."""
    _append(
        state,
        "profiles",
        f'<ns1:user ns1:name="{escape_attribute(name)}"><ns1:password ns1:value="{escape_attribute(password_hash)}"'
        f' ns1:type="sha256" ns1:noExpire="false" ns1:lastChange="2026-05-05T05:05:05Z"/></ns1:user>',
    )


@_action
def remove_user(state: ServerState, name: str) -> None:
    """Remove the user."""
    _remove(state, "profiles", f"user[{name}]")


@_action
def edit_user(state: ServerState, name: str, path: str, value: str) -> None:
    """Set one value of a user: ``@email``, ``isDisabled/@value``, ``rootList/root[inbound0]/path`` and so on."""
    _set_in_item(state, "profiles", f"user[{name}]", path, value)


@_action
def log_in(state: ServerState, name: str, at: str = "2026-12-24T18:00:00Z", address: str = "203.0.113.77") -> None:
    """Log the user in: only run-time values change."""
    edit_user(state, name, "lastLoginTime", at)
    edit_user(state, name, "lastLoginIP", address)


@_action
def add_group(state: ServerState, name: str) -> None:
    """Add an empty group."""
    _append(state, "groups", f'<ns1:group ns1:name="{escape_attribute(name)}"/>')


@_action
def remove_group(state: ServerState, name: str) -> None:
    """Remove the group; its members still name it."""
    _remove(state, "groups", f"group[{name}]")


@_action
def edit_group(state: ServerState, name: str, path: str, value: str) -> None:
    """Set one value of a group."""
    _set_in_item(state, "groups", f"group[{name}]", path, value)


@_action
def set_setting(state: ServerState, path: str, value: str) -> None:
    """Set one value of the settings; missing elements on the path are created."""
    _set(state, "settings", path, value)


@_action
def remove_setting(state: ServerState, path: str) -> None:
    """Remove one element or attribute of the settings."""
    _remove(state, "settings", path)


@_action
def edit_authentication(state: ServerState, path: str, value: str) -> None:
    """Set one value of the authentication document, for example ``directory[Partners]/baseDn``."""
    _set(state, "authentication", path, value)


@_action
def enable_source(state: ServerState, name: str, enabled: bool = True) -> None:
    """Switch one entry of the typed authentication list."""
    with state.lock:
        _one(state.sources, "name", name)["enabled"] = enabled


@_action
def add_rule(state: ServerState, name: str) -> None:
    """Add an event rule that does nothing."""
    _append(state, "event_rules", f'<ns1:rule ns1:name="{escape_attribute(name)}" ns1:enabled="false"/>')


@_action
def remove_rule(state: ServerState, name: str) -> None:
    """Remove the event rule."""
    _remove(state, "event_rules", f"rule[{name}]")


@_action
def edit_rule(state: ServerState, name: str, path: str, value: str) -> None:
    """Set one value of an event rule."""
    _set_in_item(state, "event_rules", f"rule[{name}]", path, value)


@_action
def set_mime(state: ServerState, extension: str, kind: str) -> None:
    """Map an extension to a media type, whether or not it was mapped."""
    with state.lock:
        state.mime = [each for each in state.mime if each["ext"] != extension] + [{"ext": extension, "type": kind}]


@_action
def remove_mime(state: ServerState, extension: str) -> None:
    """Remove the mapping of the extension."""
    with state.lock:
        state.mime.remove(_one(state.mime, "ext", extension))


@_action
def block(state: ServerState, address: str, last: str = "") -> None:
    """Block an address, or a range up to ``last``, by hand."""
    _append(state, "ip_block_list", ip_entry(address, last, note="by hand"))


@_action
def unblock(state: ServerState, address: str, last: str = "") -> None:
    """Remove an address or a range from the manual list."""
    _remove(state, "ip_block_list", f"ipEntry[{address}-{last}]")


@_action
def auto_block(state: ServerState, address: str) -> None:
    """Block an address automatically, as the server does."""
    _append(state, "auto_block_list", ip_entry(address, minutes=30))


@_action
def add_request(state: ServerState, guid: str, user: str = "newcomer") -> None:
    """Add a request for an account."""
    _append(
        state,
        "requested_accounts",
        f'<ns1:request ns1:guid="{escape_attribute(guid)}"><ns1:userName>{escape(user)}</ns1:userName></ns1:request>',
    )


@_action
def remove_request(state: ServerState, guid: str) -> None:
    """Remove a request for an account."""
    _remove(state, "requested_accounts", f"request[{guid}]")


@_action
def set_listener_option(state: ServerState, protocol: int, port: int, option: str, value: Any) -> None:
    """Set one option of the listener with this protocol number and port."""
    with state.lock:
        interfaces = deepcopy(state.interfaces)
        for interface in interfaces:
            if interface["type"] == protocol and interface["options"]["listenPort"] == port:
                interface["options"][option] = value
                state.commit(interfaces)
                return
    raise LookupError(f"{protocol}:{port}")


@_action
def everywhere(state: ServerState) -> None:
    """Make one change in every part that is replicated by default, and more than one in the accounts."""
    users, groups = state.names("profiles"), state.names("groups")
    remove_user(state, users[0])
    edit_user(state, users[1], "@email", "drifted@elsewhere.example")
    add_user(state, "made-by-hand")
    edit_group(state, groups[0], "@isDisabled", "true")
    set_setting(state, "general/welcomeMessage", "Drifted")
    remove_setting(state, "security/policy/lockoutAttempts")
    edit_authentication(state, "directory[Partners]/baseDn", "ou=drifted")
    remove_rule(state, "Rule 1")
    set_mime(state, "pdf", "text/plain")
    block(state, "192.0.2.254")
    add_request(state, "drifted")


def _one(items: list[dict[str, Any]], field: str, value: str) -> dict[str, Any]:
    item = next((each for each in items if each[field] == value), None)
    if item is None:
        raise LookupError(value)
    return item
