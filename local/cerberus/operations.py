"""The 70 operations: what each does to the state and answers.

Handlers take the state and the request's values and give the reply's values,
both by the field names of the contract. They run under the state's lock.
What would need a transfer engine (bandwidth, statistics, connections) answers
typed values of an idle server.
"""

from collections.abc import Callable
from typing import Any

from lxml import etree

from local.cerberus import contract, documents
from local.cerberus.contract import COMMON
from local.cerberus.documents import q
from local.cerberus.machine import password_digest
from local.cerberus.state import EDITIONS, ServerState
from local.cerberus.values import DOCUMENT_PREFIXES, Values, read, write

type Handler = Callable[[ServerState, Values], Values]

HANDLERS: dict[str, Handler] = {}
WRITES: set[str] = set()
"""The operations that change what the server holds."""


def _reads(name: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


def _writes(name: str) -> Callable[[Handler], Handler]:
    WRITES.add(name)
    return _reads(name)


def negative(operation: str) -> Values:
    """The reply of an operation that was not carried out: false, empty lists, nothing else."""
    values: Values = {}
    for field in contract.fields(contract.OPERATIONS[operation].response):
        if field.is_list:
            values[field.name] = []
        elif field.type == "xsd:boolean":
            values[field.name] = False
    return values


# Documents


def _document_reader(operation: str, document: str, field: str) -> None:
    def answer(state: ServerState, _: Values) -> Values:
        return {field: state.document(document), "result": True}

    _reads(operation)(answer)


_document_reader("GetProfiles", "profiles", "data")
_document_reader("GetGroups", "groups", "data")
_document_reader("GetConfiguration", "settings", "data")
_document_reader("GetIPBlockList", "ip_block_list", "data")
_document_reader("GetAutoBlockList", "auto_block_list", "data")
_document_reader("GetEventRules", "event_rules", "dataXml")
_document_reader("GetRequestedAccounts", "requested_accounts", "dataXml")


def _document_writer(operation: str, **fields: str) -> None:
    """``fields`` maps request fields to documents: all are stored, or none."""

    def answer(state: ServerState, values: Values) -> Values:
        return {"result": _store_all(state, {document: values[field] for field, document in fields.items()})}

    _writes(operation)(answer)


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


@_reads("GetAuthenticationList")
def _get_authentication_list(state: ServerState, _: Values) -> Values:
    return {"result": True, "dataXml": state.document("authentication"), "authenticationList": state.sources}


@_writes("SetAuthenticationList")
def _set_authentication_list(state: ServerState, values: Values) -> Values:
    stored = state.store("authentication", values["dataXml"])
    if stored:
        state.sources = values["authenticationList"]
    return {"result": stored}


@_reads("GetMimeMappings")
def _get_mime_mappings(state: ServerState, _: Values) -> Values:
    return {"mime": state.mime, "result": True}


@_writes("SaveMimeMappings")
def _save_mime_mappings(state: ServerState, values: Values) -> Values:
    state.mime = values["mime"]
    return {"errorMsg": "", "result": True}


# Users and groups


def _item(state: ServerState, document: str, name: str) -> etree._Element | None:
    return _find(state.tree(document), name)


def _find(tree: etree._Element, name: str) -> etree._Element | None:
    """Names are unique without regard to case."""
    return next(
        (each for each in tree if documents.same_case(each.get(q("name")) or "") == documents.same_case(name)), None
    )


def _adder(operation: str, request_field: str, document: str, tag: str) -> None:
    def answer(state: ServerState, values: Values) -> Values:
        item: Values = values.get(request_field, {})
        name = item.get("name", "")
        if not name:
            return {"result": False, "message": "A name is required"}
        if _item(state, document, name) is not None:
            return {"result": False, "message": "The name is in use"}
        with state.edit(document) as tree:
            tree.append(_document_element(tag, item, request_field))
        return {"result": True, "message": ""}

    _writes(operation)(answer)


def _document_element(tag: str, item: Values, type_name: str) -> etree._Element:
    text = write(f"ns1:{tag}", item, type_name, DOCUMENT_PREFIXES)
    return documents.parse(text.replace(f"<ns1:{tag}", f'<ns1:{tag} xmlns:ns1="{COMMON}"', 1))


def _deleter(operation: str, document: str) -> None:
    def answer(state: ServerState, values: Values) -> Values:
        if _item(state, document, values["name"]) is None:
            return {"result": False, "message": "No such name"}
        with state.edit(document) as tree:
            element = _find(tree, values["name"])
            if element is not None:
                tree.remove(element)
        return {"result": True, "message": ""}

    _writes(operation)(answer)


def _name_lister(operation: str, document: str, field: str) -> None:
    def answer(state: ServerState, _: Values) -> Values:
        return {field: state.names(document), "result": True}

    _reads(operation)(answer)


_adder("AddUser", "User", "profiles", "user")
_adder("AddGroup", "Group", "groups", "group")
_deleter("DeleteUser", "profiles")
_deleter("DeleteGroup", "groups")
_name_lister("GetUserList", "profiles", "UserList")
_name_lister("GetGroupList", "groups", "GroupList")


@_reads("GetUserInformation")
def _get_user_information(state: ServerState, values: Values) -> Values:
    """Hash kinds that the contract's enumeration lacks are returned as they are, as newer servers do."""
    user = _item(state, "profiles", values["userName"])
    if user is None:
        return {"result": False, "message": "No such user"}
    return {"UserInformation": _as_user(user), "result": True, "message": ""}


def _as_user(element: etree._Element) -> Values:
    password = element.find(q("password"))
    kind = None if password is None else password.get(q("type"))
    if kind is None or kind in contract.enumeration("PasswordType"):
        return read(element, "User")
    plain = documents.parse(etree.tostring(element, encoding="unicode"))
    plain_password = plain.find(q("password"))
    if plain_password is not None:
        del plain_password.attrib[q("type")]
    user = read(plain, "User")
    user["password"]["type"] = kind
    return user


@_writes("RenameUser")
def _rename_user(state: ServerState, values: Values) -> Values:
    old, new = values["userName"], values["newUserName"]
    if not new or _item(state, "profiles", old) is None:
        return {"result": False, "message": "No such user"}
    if documents.same_case(new) != documents.same_case(old) and _item(state, "profiles", new) is not None:
        return {"result": False, "message": "The name is in use"}
    with state.edit("profiles") as tree:
        user = _find(tree, old)
        if user is not None:
            user.set(q("name"), new)
    return {"result": True, "message": ""}


@_writes("ChangePassword")
def _change_password(state: ServerState, values: Values) -> Values:
    if _item(state, "profiles", values["userName"]) is None or not values["newPassword"]:
        return {"result": False, "message": "No such user"}
    with state.edit("profiles") as tree:
        user = _find(tree, values["userName"])
        if user is not None:
            password = documents.find(user, "password")
            if password is None:
                password = etree.SubElement(user, q("password"))
            password.set(q("value"), password_digest(values["newPassword"]))
            password.set(q("type"), "sha512")
    return {"result": True, "message": ""}


@_writes("AddRoot")
def _add_root(state: ServerState, values: Values) -> Values:
    if _item(state, "profiles", values["userName"]) is None or "Root" not in values:
        return {"result": False, "message": "No such user"}
    with state.edit("profiles") as tree:
        user = _find(tree, values["userName"])
        if user is not None:
            roots = user.find(q("rootList"))
            if roots is None:
                roots = etree.SubElement(user, q("rootList"))
            roots.append(_document_element("root", values["Root"], "VirtualDirectory"))
    return {"result": True, "message": ""}


@_writes("DeleteRoot")
def _delete_root(state: ServerState, values: Values) -> Values:
    with state.edit("profiles") as tree:
        user = _find(tree, values["userName"])
        removed = user is not None and documents.remove(user, f"rootList/root[{values['dirName']}]")
    return {"result": removed, "message": "" if removed else "No such directory"}


@_writes("DeleteRequestedAccounts")
def _delete_requested_accounts(state: ServerState, values: Values) -> Values:
    with state.edit("requested_accounts") as tree:
        missing = [guid for guid in values["guids"] if not documents.remove(tree, f"request[{guid}]")]
    return {"result": not missing, "errors": missing}


# Addresses


def _range_key(entry: Values) -> str:
    return f"{entry.get('addressFrom', '')}-{entry.get('addressTo', '')}"


@_writes("AddIp")
def _add_ip(state: ServerState, values: Values) -> Values:
    with state.edit("ip_block_list") as tree:
        for entry in values["ipEntry"]:
            tree.append(_document_element("ipEntry", entry, "IpAccessEntry"))
    return {"result": True, "errorMsg": ""}


@_writes("DeleteIp")
def _delete_ip(state: ServerState, values: Values) -> Values:
    with state.edit("ip_block_list") as tree:
        removed = [documents.remove(tree, f"ipEntry[{_range_key(entry)}]") for entry in values["ipEntry"]]
    return {"result": all(removed), "errorMsg": "" if all(removed) else "No such entry"}


@_writes("BlockAddress")
def _block_address(state: ServerState, values: Values) -> Values:
    entry = {
        "entry": {"addressFrom": values["ipaddress"], "addressTo": "", "type": "single"},
        "note": "",
        "blockForMinutes": 30,
    }
    with state.edit("auto_block_list") as tree:
        tree.append(_document_element("ipEntry", entry, "IpAccessEntry"))
    return {"result": True}


# Listeners


def _interface(state: ServerState, number: int) -> Values | None:
    return next((each for each in state.interfaces if each["id"] == number), None)


@_reads("GetInterfaceList")
def _get_interface_list(state: ServerState, _: Values) -> Values:
    return {"InterfaceList": state.interfaces, "result": True}


@_reads("GetInterfaces")
def _get_interfaces(state: ServerState, _: Values) -> Values:
    return {"data": interfaces_document(state.interfaces), "result": True}


def interfaces_document(interfaces: list[dict[str, Any]]) -> str:
    """The XML form of the typed list of listeners."""
    items = "".join(write("ns1:interface", each, "Interface", DOCUMENT_PREFIXES) for each in interfaces)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ns1:interfaces xmlns:ns1="{COMMON}">{items}</ns1:interfaces>'


@_reads("GetInterfaceByID")
def _get_interface_by_id(state: ServerState, values: Values) -> Values:
    interface = _interface(state, values["InterfaceID"])
    return {"result": False} if interface is None else {"Interface": interface, "result": True}


@_writes("ModifyInterface")
def _modify_interface(state: ServerState, values: Values) -> Values:
    interface = _interface(state, values["InterfaceID"])
    if interface is None or "Opts" not in values:
        return {"result": False}
    interface["options"] = values["Opts"]
    return {"result": True}


@_writes("CommitSettings")
def _commit_settings(state: ServerState, values: Values) -> Values:
    stored = state.store("settings", values["ConfigXML"])
    if stored:
        state.commit(values["InterfaceList"])
    return {"result": stored}


def _for_interface(operation: str) -> None:
    def answer(state: ServerState, values: Values) -> Values:
        return {"result": _interface(state, values["InterfaceID"]) is not None}

    _reads(operation)(answer)


_for_interface("InitializeInterface")
_for_interface("ShutdownInterface")
_for_interface("ShutdownConnectionsOnInterface")


@_writes("SetWANIP")
def _set_wan_ip(state: ServerState, values: Values) -> Values:
    new: Values = values.get("newWANInfo", {})
    if not new.get("ip"):
        return {"result": False}
    if new["overridePassiveMode"]:
        for interface in state.interfaces:
            interface["options"].setdefault("passiveSettings", {"mode": "DirectIP"})["ipAddress"] = new["ip"]
    return {"result": True}


# Native sync: the list is a section of the settings


_SYNC_SERVER = ("host", "port", "useSSL", "username", "password", "enableSync")


@_reads("GetBackupServers")
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


@_writes("SaveBackupServers")
def _save_backup_servers(state: ServerState, values: Values) -> Values:
    given: Values = values.get("config", {})
    with state.edit("settings") as tree:
        documents.remove(tree, "syncManager")
        section = etree.SubElement(tree, q("syncManager"))
        for name, value in given.get("config", {}).items():
            section.set(q(name), str(value).lower())
        for server in given.get("servers", []):
            kept = {name: server[name] for name in _SYNC_SERVER}
            element = _document_element("server", kept, "SyncServer")
            element.set(q("name"), str(server["host"]))
            section.append(element)
    return {"message": "", "result": True}


# What a server says of itself


@_reads("ServerInformation")
def _server_information(state: ServerState, _: Values) -> Values:
    return {
        "result": {
            "version": _version(state),
            "hostname": state.machine.host,
            "isStarted": state.started,
            "isSuccess": True,
            "message": "",
        }
    }


def _version(state: ServerState) -> Values:
    return dict(zip(("maj", "min", "maint", "build"), state.version, strict=True))


@_reads("GetHostname")
def _get_hostname(state: ServerState, _: Values) -> Values:
    return {"result": state.machine.host}


@_reads("GetAppPaths")
def _get_app_paths(_: ServerState, __: Values) -> Values:
    return {
        "AppDataPath": "C:\\ProgramData\\Cerberus LLC\\Cerberus FTP Server",
        "AppInstallPath": "C:\\Program Files\\Cerberus LLC\\Cerberus FTP Server",
    }


@_reads("GetFeatures")
def _get_features(state: ServerState, _: Values) -> Values:
    code = EDITIONS[state.edition]
    professional, enterprise = code >= EDITIONS["Professional"], code >= EDITIONS["Enterprise"]
    return {
        "Features": {
            "maxConnectionLimit": 5 if code == EDITIONS["Personal"] else 0,
            "enableActiveDirectory": professional,
            "enableLDAPAuthentication": professional,
            "enableFIPS1402": professional,
            "enableRemoteAdmin": True,
            "enableClientCertificateVerify": True,
            "enableSshFtp": professional,
            "enableHttp": enterprise,
            "enableEvents": enterprise,
            "enableReports": enterprise,
            "enableServerSync": professional,
            "productEditionCode": code,
        },
        "result": True,
    }


@_reads("GetLicenseInfo")
def _get_license_info(state: ServerState, _: Values) -> Values:
    return {"LicenseInformation": _license(state), "result": True}


def _license(state: ServerState) -> Values:
    valid = state.licence_valid()
    machine = state.machine
    return {
        "name": state.setting("general/license/name") or machine.name,
        "companyName": state.setting("general/license/companyName") or "Example Ltd",
        "issuedDate": int(state.setting("general/license/issued") or machine.issued),
        "upgradeTimeRemaining": 200,
        "clientCount": 1,
        "daysValid": int(state.setting("general/license/daysValid") or machine.days_valid),
        "installedDate": int(state.setting("general/license/installed") or machine.installed),
        "isValid": valid,
        "isForCompanyUse": True,
        "productEdition": state.edition,
        "errorMessage": "" if valid else "The license does not belong to this machine",
    }


@_reads("VerifyLicense")
def _verify_license(state: ServerState, values: Values) -> Values:
    return {"LicenseInformation": _license(state), "result": values["LicenseString"] == state.machine.license_key}


@_reads("ServerSummaryStatus")
def _server_summary_status(state: ServerState, _: Values) -> Values:
    machine = state.machine
    version = {
        "ver": _version(state),
        "buildDate": "2026-01-01T00:00:00Z",
        "status": "production",
        "arch": "Amd64",
        "minOS": 6.1,
    }
    return {
        "result": {
            "isSslEnabled": True,
            "sslKeyType": state.setting("security/privateKey/@type") or machine.key_type,
            "sslKeyBits": int(state.setting("security/privateKey/@bits") or machine.key_bits),
            "sslCipherMinSymmetricBits": 128,
            "isClientVerifyEnabled": False,
            "isFipsEnabled": False,
            "isSoapWebEnabled": state.setting("remote/soap/@enabled") != "false",
            "isSoapSecure": (state.setting("remote/soap/@secure") or _bool(machine.soap_secure)) == "true",
            "soapPort": int(state.setting("remote/soap/port") or machine.soap_port),
            "ipPublic": machine.passive_address,
            "ftpStatus": "Secure",
            "ftpStatusMsgs": [],
            "sftpStatus": "Secure",
            "sftpStatusMsgs": [],
            "httpStatus": "Secure",
            "httpStatusMsgs": [],
            "hipaaCompliant": False,
            "hipaaCompliantMsgs": ["FIPS mode is off"],
            "generalMsgs": [],
            "securityMsgs": [],
            "vulnerabilityStatus": "None",
            "updateInfo": {
                "lastChecked": "2026-01-01T00:00:00Z",
                "currentVer": version,
                "latestVer": {**version, "downloadURL": "", "changeDescList": []},
            },
        }
    }


def _bool(value: bool) -> str:
    return "true" if value else "false"


# Starting and stopping


def _starter(operation: str, started: bool) -> None:
    def answer(state: ServerState, _: Values) -> Values:
        state.started = started
        return {"result": True}

    _writes(operation)(answer)


_starter("StartServer", started=True)
_starter("InitializeServer", started=True)
_starter("StopServer", started=False)
_starter("ShutdownServer", started=False)


@_reads("ServerStarted")
def _server_started(state: ServerState, _: Values) -> Values:
    return {"result": state.started}


# What needs a transfer engine: an idle one


_NO_TRAFFIC: Values = {
    "downloads": 0,
    "uploads": 0,
    "failedDownloads": 0,
    "failedUploads": 0,
    "totalConnections": 0,
    "currentConnections": 0,
}


@_reads("CurrentStatus")
def _current_status(state: ServerState, _: Values) -> Values:
    return {
        "result": {
            "isStarted": state.started,
            "stats": _NO_TRAFFIC,
            "downBandwidth": 0.0,
            "upBandwidth": 0.0,
            "totalConnections": 0,
            "activeListenerConnections": 0,
        }
    }


def _constant(operation: str, **values: Any) -> None:
    def answer(_: ServerState, __: Values) -> Values:
        return dict(values)

    _reads(operation)(answer)


_constant("GetCurrentBandwidth", up=0.0, down=0.0)
_constant("GetAllCurrentConnectionCount", result=0)
_constant("GetCurrentConnectionCount", result=0)
_constant("GetConnectedUserList", ConnectionList=[], result=True)
_constant("GetFileTransfers", transferList=[], result=True)
_constant("GetStatistics", result=True, stats=_NO_TRAFFIC, fileStats=[])
_constant("GenerateStatistics", filePath="C:\\ProgramData\\statistics.csv", errorMsg="", result=True)
_constant("GetLogMessages", logList=[{"msg": "Ready", "id": 1, "type": 0, "time": "2026-01-01T00:00:00Z"}], result=True)
_constant("TerminateConnection", result=False)


def _database(operation: str) -> None:
    def answer(_: ServerState, values: Values) -> Values:
        outcome = {"success": True, "label": operation, "message": ""}
        return {"result": "config" in values, "info": [outcome] if "config" in values else []}

    _reads(operation)(answer)


_database("CreateStatisticsDatabase")
_database("DropStatisticsDatabase")
_database("TestAndVerifyDatabase")


@_reads("BackupServerConfiguration")
def _backup_server_configuration(_: ServerState, values: Values) -> Values:
    named = bool(values["filePath"])
    return {"filePath": values["filePath"], "errorMsg": "" if named else "A path is required", "result": named}


@_reads("RestoreServerConfiguration")
def _restore_server_configuration(_: ServerState, __: Values) -> Values:
    """No file is ever written, so none can be read."""
    return {"importResult": [], "errorMsg": "The file was not found", "result": False}


@_reads("SharePublicFile")
def _share_public_file(state: ServerState, values: Values) -> Values:
    if _item(state, "profiles", values["username"]) is None:
        return {"success": False, "link": "", "message": "No such user"}
    return {"success": True, "link": f"https://{state.machine.host}/public/1", "message": ""}
