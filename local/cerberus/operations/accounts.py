"""Operations on single users and groups, on a user's properties, and on account requests."""

from lxml import etree

from local.cerberus import contract, documents
from local.cerberus.documents import q
from local.cerberus.machine import password_digest
from local.cerberus.operations.handlers import Operations
from local.cerberus.state import ServerState
from local.cerberus.values import Values, document_element, read

OPERATIONS = Operations()


def _item(state: ServerState, document: str, name: str) -> etree._Element | None:
    return _find(state.tree(document), name)


def _find(tree: etree._Element, name: str) -> etree._Element | None:
    """The user or group with this name; case is ignored, because names are unique without case."""
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
            tree.append(document_element(tag, item, request_field))
        return {"result": True, "message": ""}

    OPERATIONS.writes(operation)(answer)


def _deleter(operation: str, document: str) -> None:
    def answer(state: ServerState, values: Values) -> Values:
        if _item(state, document, values["name"]) is None:
            return {"result": False, "message": "No such name"}
        with state.edit(document) as tree:
            element = _find(tree, values["name"])
            if element is not None:
                tree.remove(element)
        return {"result": True, "message": ""}

    OPERATIONS.writes(operation)(answer)


def _name_lister(operation: str, document: str, field: str) -> None:
    def answer(state: ServerState, _: Values) -> Values:
        return {field: state.names(document), "result": True}

    OPERATIONS.reads(operation)(answer)


_adder("AddUser", "User", "profiles", "user")
_adder("AddGroup", "Group", "groups", "group")
_deleter("DeleteUser", "profiles")
_deleter("DeleteGroup", "groups")
_name_lister("GetUserList", "profiles", "UserList")
_name_lister("GetGroupList", "groups", "GroupList")


@OPERATIONS.reads("GetUserInformation")
def _get_user_information(state: ServerState, values: Values) -> Values:
    """Return a user's data. Hash kinds that the contract lacks are returned unchanged, as newer servers do."""
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


@OPERATIONS.writes("RenameUser")
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


@OPERATIONS.writes("ChangePassword")
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


@OPERATIONS.writes("AddRoot")
def _add_root(state: ServerState, values: Values) -> Values:
    if _item(state, "profiles", values["userName"]) is None or "Root" not in values:
        return {"result": False, "message": "No such user"}
    with state.edit("profiles") as tree:
        user = _find(tree, values["userName"])
        if user is not None:
            roots = user.find(q("rootList"))
            if roots is None:
                roots = etree.SubElement(user, q("rootList"))
            roots.append(document_element("root", values["Root"], "VirtualDirectory"))
    return {"result": True, "message": ""}


@OPERATIONS.writes("DeleteRoot")
def _delete_root(state: ServerState, values: Values) -> Values:
    with state.edit("profiles") as tree:
        user = _find(tree, values["userName"])
        removed = user is not None and documents.remove(user, f"rootList/root[{values['dirName']}]")
    return {"result": removed, "message": "" if removed else "No such directory"}


@OPERATIONS.writes("DeleteRequestedAccounts")
def _delete_requested_accounts(state: ServerState, values: Values) -> Values:
    with state.edit("requested_accounts") as tree:
        missing = [guid for guid in values["guids"] if not documents.remove(tree, f"request[{guid}]")]
    return {"result": not missing, "errors": missing}


@OPERATIONS.reads("SharePublicFile")
def _share_public_file(state: ServerState, values: Values) -> Values:
    if _item(state, "profiles", values["username"]) is None:
        return {"success": False, "link": "", "message": "No such user"}
    return {"success": True, "link": f"https://{state.machine.host}/public/1", "message": ""}
