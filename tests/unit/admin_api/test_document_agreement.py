"""The OpenAPI document and the handler agree: what the document allows is not refused with 422, and the reverse."""

import math
import operator
from functools import cache
from typing import Any
from urllib.parse import quote

import jsonschema_rs  # schemathesis brings it
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from admin_api import openapi
from admin_api.app import api
from admin_api.schemas.fields import Model
from admin_api.schemas.servers import SecureOnly, ServerChange
from common.errors import Failure
from local.cerberus import Authority
from replication.documents.keep_patterns import Rules

DOCUMENT = openapi.document(api)
BODIES: dict[str, str] = {
    operation["operationId"]: operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
    if "requestBody" in operation
}
MODELS = {model.__name__: model for base in (Model, SecureOnly, ServerChange) for model in base.__subclasses__()}
QUERIES: dict[str, tuple[str, Any]] = {
    f"{operations['get']['operationId']} {parameter['name']}": (path, parameter)
    for path, operations in DOCUMENT["paths"].items()
    for parameter in operations.get("get", {}).get("parameters", ())
    if parameter["in"] == "query"
}
RUN, STATE = "20261122T120000.000000Z-0badc0de", "0a" * 32
PATH_VALUES = {"backup_id": "ftp2", "run_id": RUN, "digest": STATE}
PEM = Authority.create().pem
FORMATS = {
    # A pattern cannot say all of it: a good one, and some that are not even as their pattern says.
    "pem-certificates": [PEM, "no certificate", f"{PEM}-----BEGIN EC PRIVATE KEY-----"],
    "preservation-rule": ["*logo*", "!/a/b[c]", "[", "/a", "!a", "!/a/*", "a/@b/c", "-"],
}
TEXTS = st.text(max_size=8) | st.sampled_from(
    [
        *("primary", "ftp2", "ftp2.example", "-ftp2", "1.2.3.4", "::1", "::ffff:1.2.3.4", ":", "1::2::3", "fe80::1%e"),
        *("a..b.", "a-", "a/b", "a//b", "/@", "@ ", "/*/x", "[!a]", "[z-a", "é", "a\n", "\x7f", "ab:" * 31 + "AB"),
        *(STATE, RUN, f"primary/{STATE}", f"backups/ftp2/{RUN}/accounts.settings", f"backups/ftp2/{RUN}"),
    ]
)
ANYTHING = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 0.5, 5.0, 1e300, 10**400, {}, [], [None], {"mode": "off"}])
    | TEXTS
)


def as_described(schema: Any) -> st.SearchStrategy[Any]:
    """Values that are as the schema says, but for what excludes each other."""
    schema = _resolved(schema)
    match schema:
        case {"format": str(name)} if name in FORMATS:
            return st.just(FORMATS[name][0])
        case {"const": value}:
            return st.just(value)
        case {"oneOf": branches} | {"anyOf": branches} if "type" not in schema:
            return st.one_of(*map(as_described, branches))
        case {"type": "array", "items": items}:
            return st.lists(as_described(items), min_size=schema.get("minItems", 0), max_size=2)
        case {"type": "object"}:
            return _object(schema)
    return _plain_value(schema)


def _object(schema: Any) -> st.SearchStrategy[dict[str, Any]]:
    match schema:
        case {"properties": properties}:
            required = schema.get("required", ())
            return st.fixed_dictionaries(
                {name: as_described(properties[name]) for name in required},
                optional={name: as_described(properties[name]) for name in properties if name not in required},
            )
        case {"patternProperties": by_pattern}:
            ((pattern, values),) = by_pattern.items()
            return st.dictionaries(st.from_regex(pattern, fullmatch=True), as_described(values), max_size=2)
        case {"additionalProperties": values, "propertyNames": {"minLength": low, "maxLength": high}}:
            return st.dictionaries(st.text(min_size=low, max_size=high), as_described(values), max_size=2)
    raise AssertionError(f"objects for {schema} are not made here")


def _plain_value(schema: Any) -> st.SearchStrategy[Any]:
    match schema:
        case {"enum": values}:
            return st.sampled_from(values)
        case {"type": "string", "format": "server-host"}:
            return st.ip_addresses().map(str) | st.from_regex(schema["anyOf"][0]["pattern"], fullmatch=True)
        case {"type": "string", "pattern": pattern}:
            return st.from_regex(pattern, fullmatch=True)
        case {"type": "integer", "minimum": low, "maximum": high}:
            return st.integers(int(low), int(high))
        case {"type": "number", "minimum": low, "maximum": high}:
            return st.floats(low, high)
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "null"}:
            return st.none()
    raise AssertionError(f"values for {schema} are not made here")


def odd(schema: Any) -> st.SearchStrategy[Any]:
    """Values with one thing in them that may not be as the schema says."""
    schema = _resolved(schema)
    match schema:
        case {"format": str(name)} if name in FORMATS:
            return st.sampled_from(FORMATS[name])
        case {"oneOf": branches} | {"anyOf": branches} if "type" not in schema:
            return st.one_of(*map(odd, branches))
        case {"type": "string"}:
            return TEXTS | ANYTHING
        case {"minimum": low, "maximum": high}:
            edges = [low, high, math.nextafter(high, math.inf), int(low) - 1, low + 0.5]
            return st.sampled_from(edges) | ANYTHING
        case {"type": "array", "items": items, "maxItems": most}:
            alone = odd(items).map(lambda item: [item])
            return alone | as_described(items).map(lambda item: [item] * (most + 1)) | st.just([]) | ANYTHING
        case {"type": "object", "properties": properties}:
            place = st.sampled_from([*properties, "surprise"])
            spoilt = place.flatmap(lambda name: odd(properties.get(name, {})).map(lambda value: {name: value}))
            return st.builds(operator.or_, as_described(schema), spoilt) | st.builds(
                lambda whole, name: {other: whole[other] for other in whole if other != name},
                as_described(schema),
                place,
            )
        case {"type": "object"}:
            return st.dictionaries(TEXTS, TEXTS, max_size=2) | ANYTHING
    return ANYTHING


def near(schema: Any) -> st.SearchStrategy[Any]:
    """Half of the values are as the schema says, of the others one thing may not be."""
    good, other = as_described(schema), odd(schema)
    return st.booleans().flatmap(lambda is_good: good if is_good else other)


def _resolved(schema: Any) -> Any:
    return DOCUMENT["components"]["schemas"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema


@cache
def _bodies(reference: str) -> st.SearchStrategy[Any]:
    return near({"$ref": reference})


@cache
def _values(query: str) -> st.SearchStrategy[Any]:
    """Numbers for a parameter that is one, else texts: a query has nothing else."""
    schema = QUERIES[query][1]["schema"]
    if schema.get("type") == "integer":
        return near(schema).filter(lambda value: isinstance(value, int)) | st.sampled_from(["", "x", "1x", "0.5"])
    return near(schema).filter(lambda value: isinstance(value, str))


@cache
def _validator(reference: str) -> jsonschema_rs.Draft202012Validator:
    whole = {"$ref": reference, "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True, formats={"preservation-rule": _is_rule})


def _is_rule(text: str) -> bool:
    """What the document's own format means."""
    try:
        Rules([text])
    except Failure:
        return False
    return True


def _assert_agreed(reference: str, body: Any) -> bool:
    allowed = _validator(reference).is_valid(body)
    try:
        MODELS[reference.split("/")[-1]].model_validate(body)
        complaint = ""
    except ValidationError as refusal:
        complaint = str(refusal)
    assert (complaint == "") == allowed, f"allowed by the document: {allowed}; {complaint or 'accepted'}"
    return allowed


@pytest.mark.parametrize("reference", BODIES.values(), ids=BODIES)
@given(data=st.data())
def test_a_body_is_accepted_exactly_when_the_document_allows_it(reference: str, data: st.DataObject) -> None:
    event("allowed" if _assert_agreed(reference, data.draw(_bodies(reference))) else "refused")


@pytest.mark.parametrize(
    ("operation", "body", "allowed"),
    [
        ("startRun", {"accept_primary": True, "dry_run": True, "state": STATE}, False),
        ("startRun", {"accept_primary": False, "state": STATE}, True),
        ("startRun", {"accept_primary": True}, True),
        ("startRun", {"backups": ["ftp2", "primary"]}, False),
        ("promoteBackup", {"backup_id": "ftp2", "former_id": "primary"}, False),
        ("putPrimary", {"host": "1::2::3", "port": 8443}, False),
        ("putPrimary", {"host": "::ffff:10.0.0.1", "port": 8443.0}, True),
        ("putPrimary", {"host": "a..b.", "port": 8443}, True),
        ("putPrimary", {"host": "ftp1-", "port": 8443}, False),
        ("putPrimary", {"host": "ftp1", "port": 8443, "tls": {"mode": "ca", "ca_pem": "none"}}, False),
        ("putPrimary", {"host": "ftp1", "port": 8443, "secure_connection": 1}, False),
        ("changeBackup", {"rules": ["a//b"]}, False),
        ("changeBackup", {"rules": ["@ /b"]}, False),
        ("changeBackup", {"rules": ["/a/@b", "[b-z]", "/a/b[any name]", "!/a/b[any name]"]}, True),
        ("changeBackup", {"rules": ["[z-a"]}, False),
        ("changeBackup", {"rules": ["/a"]}, False),
        ("changeBackup", {"rules": ["!a/b"]}, False),
    ],
)
def test_what_once_was_allowed_and_refused_is_agreed_on(operation: str, body: object, allowed: bool) -> None:
    assert _assert_agreed(BODIES[operation], body) == allowed


@pytest.mark.parametrize("query", QUERIES)
@settings(max_examples=30)
@given(data=st.data())
def test_a_query_is_refused_exactly_when_the_document_forbids_it(world: Any, query: str, data: st.DataObject) -> None:
    path, parameter = QUERIES[query]
    value = data.draw(_values(query))
    allowed = jsonschema_rs.Draft202012Validator(parameter["schema"]).is_valid(value)
    answer = world.call("GET", f"{path.format(**PATH_VALUES)}?{parameter['name']}={quote(str(value))}")
    assert (answer.status != 422) == allowed, (value, answer.body)
