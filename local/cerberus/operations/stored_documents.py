"""Operations on whole documents, and on the native synchronization's list of servers, which is in the settings."""

from lxml import etree

from local.cerberus import documents
from local.cerberus.documents import q
from local.cerberus.operations.handlers import Operations
from local.cerberus.state import ServerState
from local.cerberus.values import Values, document_element, read

OPERATIONS = Operations()


def _document_reader(operation: str, document: str, field: str) -> None:
    def answer(state: ServerState, _: Values) -> Values:
        return {field: state.document(document), "result": True}

    OPERATIONS.reads(operation)(answer)


_document_reader("GetProfiles", "profiles", "data")
_document_reader("GetGroups", "groups", "data")
_document_reader("GetConfiguration", "settings", "data")
_document_reader("GetIPBlockList", "ip_block_list", "data")
_document_reader("GetAutoBlockList", "auto_block_list", "data")
_document_reader("GetEventRules", "event_rules", "dataXml")
_document_reader("GetRequestedAccounts", "requested_accounts", "dataXml")


def _document_writer(operation: str, **fields: str) -> None:
    """Register a handler that stores documents, all or none; ``fields`` maps request fields to documents."""

    def answer(state: ServerState, values: Values) -> Values:
        return {"result": _store_all(state, {document: values[field] for field, document in fields.items()})}

    OPERATIONS.writes(operation)(answer)


def _store_all(state: ServerState, texts: dict[str, str]) -> bool:
    before = {document: state.document(document) for document in texts}
    for document, text in texts.items():
        if not state.store(document, text):
            for name, old in before.items():
                state.store(name, old)
            return False
    return True


_document_writer("SaveProfiles", ProfilesXML="profiles", GroupsXML="groups")
_document_writer("SaveConfiguration", ConfigXML="settings")
_document_writer("SaveBlockList", IPBlockList="ip_block_list", AutoBlockListXML="auto_block_list")
_document_writer("SetEventRules", dataXml="event_rules")
_document_writer("SetRequestedAccounts", dataXml="requested_accounts")


@OPERATIONS.reads("GetAuthenticationList")
def _get_authentication_list(state: ServerState, _: Values) -> Values:
    return {"result": True, "dataXml": state.document("authentication"), "authenticationList": state.sources}


@OPERATIONS.writes("SetAuthenticationList")
def _set_authentication_list(state: ServerState, values: Values) -> Values:
    stored = state.store("authentication", values["dataXml"])
    if stored:
        state.sources = values["authenticationList"]
    return {"result": stored}


@OPERATIONS.reads("GetMimeMappings")
def _get_mime_mappings(state: ServerState, _: Values) -> Values:
    return {"mime": state.mime, "result": True}


@OPERATIONS.writes("SaveMimeMappings")
def _save_mime_mappings(state: ServerState, values: Values) -> Values:
    state.mime = values["mime"]
    return {"errorMsg": "", "result": True}


# Native sync: the list is a section of the settings


_SYNC_SERVER = ("host", "port", "useSSL", "username", "password", "enableSync")


@OPERATIONS.reads("GetBackupServers")
def _get_backup_servers(state: ServerState, _: Values) -> Values:
    section = documents.find(state.tree("settings"), "syncManager")
    if section is None:
        config: Values = {"enable": False, "syncIntervalMinutes": 0, "syncOnServerChange": False}
        return {"config": {"config": config, "servers": []}, "message": "", "result": True}
    servers = [
        {**read(each, "SyncServer"), "lastSyncStatus": "unknown", "lastSyncTime": "1970-01-01T00:00:00Z"}
        for each in section.iterchildren(q("server"))
    ]
    config = {
        "enable": section.get(q("enable")) == "true",
        "syncIntervalMinutes": int(section.get(q("syncIntervalMinutes")) or 0),
        "syncOnServerChange": section.get(q("syncOnServerChange")) == "true",
    }
    return {"config": {"config": config, "servers": servers}, "message": "", "result": True}


@OPERATIONS.writes("SaveBackupServers")
def _save_backup_servers(state: ServerState, values: Values) -> Values:
    given: Values = values.get("config", {})
    with state.edit("settings") as tree:
        documents.remove(tree, "syncManager")
        section = etree.SubElement(tree, q("syncManager"))
        for name, value in given.get("config", {}).items():
            section.set(q(name), str(value).lower())
        for server in given.get("servers", []):
            kept = {name: server[name] for name in _SYNC_SERVER}
            element = document_element("server", kept, "SyncServer")
            element.set(q("name"), str(server["host"]))
            section.append(element)
    return {"message": "", "result": True}
