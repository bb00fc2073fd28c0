"""The errors of single fields in words that an administrator understands, instead of expressions and library phrases.

This module is separate from ``admin_api.problems``, because its tables grow with the fields, and that module with the
kinds of errors.
"""

from collections.abc import Mapping
from typing import Any

from admin_api.schemas.fields import DIGEST_PATTERN, ID_PATTERN, RUN_ID_PATTERN, SNAPSHOT_PATTERN
from admin_api.schemas.servers import FINGERPRINT_PATTERN, HOST_PATTERN, PASSWORD_PATTERN
from common.plain_text import PLAIN, PLAIN_OR_EMPTY
from fleet.people import ROLE_PATTERN

_OTHER = "The value is not as the description of the API says (GET /openapi.json)"

_FORMS: Mapping[str, str] = {
    ID_PATTERN: "Use small letters, digits and hyphens, for example ftp3",
    RUN_ID_PATTERN: "This is no id of a run; ids look like 20261201T120000.000000Z-0badc0de",
    DIGEST_PATTERN: "A hash has 64 digits and small letters from a to f",
    SNAPSHOT_PATTERN: "This is no key of a snapshot, no id of a run, and no digest of a state of the primary",
    HOST_PATTERN: "Use a host name or an address, without a scheme, port or path, for example ftp2.example.com",
    PLAIN: "Use visible characters and blanks, without line breaks and control characters",
    PLAIN_OR_EMPTY: "Use visible characters and blanks, without line breaks and control characters",
    PASSWORD_PATTERN: "A password has no control characters",
    FINGERPRINT_PATTERN: "A SHA-256 fingerprint has 64 hexadecimal digits, with or without colons",
    ROLE_PATTERN: "This is no ARN of an IAM role, such as arn:aws:iam::123456789012:role/administrators",
    r"^[A-Za-z0-9_.:/=+@-]{1,128}$": "The name of a tag has up to 128 letters, digits and characters of _.:/=+@-",
    r"^[0-9]-[a-z0-9][a-z0-9-]{0,62}$": "Use the value of next from the answer before",
}
"""Words for the forms of texts. A test finds every form of the API's description here."""

_TYPES: Mapping[str, str] = {
    "missing": "This field is missing",
    "extra_forbidden": "There is no field of this name",
    "string_type": "Use a text",
    "string_too_short": "Use at least {min_length} character(s)",
    "string_too_long": "Use at most {max_length} characters",
    "string_unicode": "Use characters that can be written as UTF-8",
    "int_type": "Use a whole number, without quotes",
    "int_from_float": "Use a whole number",
    "int_parsing": "Use a whole number",
    "int_parsing_size": "Use a smaller number",
    "float_type": "Use a number, without quotes",
    "finite_number": "Use a finite number",
    "bool_type": "Use true or false, without quotes",
    "bool_parsing": "Use true or false",
    "list_type": "Use a list",
    "dict_type": "Use an object with names and values",
    "model_type": "Use an object with names and values",
    "model_attributes_type": "Use an object with names and values",
    "greater_than_equal": "Use at least {ge}",
    "less_than_equal": "Use at most {le}",
    "too_short": "Use at least {min_length} entries",
    "too_long": "Use at most {max_length} entries",
    "literal_error": "Use {expected}",
    "enum": "Use {expected}",
    "union_tag_not_found": "Name the mode: system, ca or pins",
    # The library's own text quotes the request.
    "union_tag_invalid": "Use one of the modes system, ca and pins",
}
"""Words for the kinds of errors that the library tells apart."""


def in_words(error: Mapping[str, Any]) -> str:
    """One error of pydantic as a sentence, without anything of the request."""
    kind, context = error["type"], error.get("ctx") or {}
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    if kind == "string_pattern_mismatch":
        return _FORMS.get(context.get("pattern", ""), _OTHER)
    try:
        return _TYPES.get(kind, _OTHER).format_map(context)
    except KeyError:
        return _OTHER
