"""Listeners and the entries of the block lists."""

from typing import Any

from local.cerberus import documents
from local.cerberus.contract import COMMON
from local.cerberus.operations.handlers import Operations
from local.cerberus.state import ServerState
from local.cerberus.values import DOCUMENT_PREFIXES, Values, document_element, write

OPERATIONS = Operations()


def _interface(state: ServerState, number: int) -> Values | None:
    return next((each for each in state.interfaces if each["id"] == number), None)


@OPERATIONS.reads("GetInterfaceList")
def _get_interface_list(state: ServerState, _: Values) -> Values:
    return {"InterfaceList": state.interfaces, "result": True}


@OPERATIONS.reads("GetInterfaces")
def _get_interfaces(state: ServerState, _: Values) -> Values:
    return {"data": _interfaces_document(state.interfaces), "result": True}


def _interfaces_document(interfaces: list[dict[str, Any]]) -> str:
    """The XML form of the typed list of listeners."""
    items = "".join(write("ns1:interface", each, "Interface", DOCUMENT_PREFIXES) for each in interfaces)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ns1:interfaces xmlns:ns1="{COMMON}">{items}</ns1:interfaces>'


@OPERATIONS.reads("GetInterfaceByID")
def _get_interface_by_id(state: ServerState, values: Values) -> Values:
    interface = _interface(state, values["InterfaceID"])
    return {"result": False} if interface is None else {"Interface": interface, "result": True}


@OPERATIONS.writes("ModifyInterface")
def _modify_interface(state: ServerState, values: Values) -> Values:
    interface = _interface(state, values["InterfaceID"])
    if interface is None or "Opts" not in values:
        return {"result": False}
    interface["options"] = values["Opts"]
    return {"result": True}


@OPERATIONS.writes("CommitSettings")
def _commit_settings(state: ServerState, values: Values) -> Values:
    stored = state.store("settings", values["ConfigXML"])
    if stored:
        state.commit(values["InterfaceList"])
    return {"result": stored}


def _for_interface(operation: str) -> None:
    def answer(state: ServerState, values: Values) -> Values:
        return {"result": _interface(state, values["InterfaceID"]) is not None}

    OPERATIONS.reads(operation)(answer)


_for_interface("InitializeInterface")
_for_interface("ShutdownInterface")
_for_interface("ShutdownConnectionsOnInterface")


@OPERATIONS.writes("SetWANIP")
def _set_wan_ip(state: ServerState, values: Values) -> Values:
    new: Values = values.get("newWANInfo", {})
    if not new.get("ip"):
        return {"result": False}
    if new["overridePassiveMode"]:
        for interface in state.interfaces:
            interface["options"].setdefault("passiveSettings", {"mode": "DirectIP"})["ipAddress"] = new["ip"]
    return {"result": True}


# Entries of the block lists


def _range_key(entry: Values) -> str:
    return f"{entry.get('addressFrom', '')}-{entry.get('addressTo', '')}"


@OPERATIONS.writes("AddIp")
def _add_ip(state: ServerState, values: Values) -> Values:
    with state.edit("ip_block_list") as tree:
        for entry in values["ipEntry"]:
            tree.append(document_element("ipEntry", entry, "IpAccessEntry"))
    return {"result": True, "errorMsg": ""}


@OPERATIONS.writes("DeleteIp")
def _delete_ip(state: ServerState, values: Values) -> Values:
    with state.edit("ip_block_list") as tree:
        removed = [documents.remove(tree, f"ipEntry[{_range_key(entry)}]") for entry in values["ipEntry"]]
    return {"result": all(removed), "errorMsg": "" if all(removed) else "No such entry"}


@OPERATIONS.writes("BlockAddress")
def _block_address(state: ServerState, values: Values) -> Values:
    entry = {
        "entry": {"addressFrom": values["ipaddress"], "addressTo": "", "type": "single"},
        "note": "",
        "blockForMinutes": 30,
    }
    with state.edit("auto_block_list") as tree:
        tree.append(document_element("ipEntry", entry, "IpAccessEntry"))
    return {"result": True}
