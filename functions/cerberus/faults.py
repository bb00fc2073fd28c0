"""Interprets SOAP faults without quoting them, because a fault may repeat any text of the request."""

import re

from lxml import etree

from common.errors import Failure, Reason
from common.safe_xml import local_name

_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
"""Quoted names in a fault, for example of an operation or an account. They do not show the kind of the fault."""
_KNOWN_FAULTS = tuple(
    (re.compile(sentence, re.IGNORECASE), reason, said)
    for sentence, reason, said in (
        # The two texts come from stdsoap2.cpp of gSOAP, the library that Cerberus' WSDL indicates.
        (
            r"not implemented|namespace not recognized",
            Reason.OPERATION_UNSUPPORTED,
            "the server does not know the operation",
        ),
        (r"validation constraint violation", Reason.SOAP_FAULT, "the server found the request not valid"),
        # Cerberus 12.11 logs "Unable to authenticate SOAP request" and "No SOAP request credentials were provided",
        # https://github.com/FuseCP/FuseCP/issues/135; the other texts occur in no other kind of fault.
        (
            (
                r"authenticate soap request|credentials were provided|"
                r"\b(?:invalid credentials|not authorized|unauthorized|access denied)\b"
            ),
            Reason.AUTHENTICATION_FAILED,
            "the server refused the log-in",
        ),
    )
)
"""Known fault texts, each with the reason and the message with which the fault is reported."""
_FAULT_CODES = frozenset({"Client", "Server", "Sender", "Receiver", "MustUnderstand", "DataEncodingUnknown"})
"""The fault codes of SOAP 1.1 and 1.2, https://www.w3.org/TR/soap12-part1/#faultcodes."""
_VERSION_MISMATCH = "VersionMismatch"
"""The fault code of a server that uses another version of SOAP, sent in that version's format."""


def explain(fault: etree._Element) -> Failure:
    """The failure for a fault of SOAP 1.1 or 1.2, or of a mixture of both, which some servers send.

    The fault's text may repeat any part of the request in any form, including the log-in and password hashes. So no
    part of it is passed on.
    """
    statement = _QUOTED.sub("", _first_text(fault, "faultstring", "Text"))
    code = _first_text(fault, "faultcode", "Value").strip().rpartition(":")[2].partition(".")[0]
    if code == _VERSION_MISMATCH:
        return other_version(code)
    fault_code = f" ({code})" if code in _FAULT_CODES else ""
    for sentence, reason, said in _KNOWN_FAULTS:
        if sentence.search(statement):
            return Failure(reason, said + fault_code)
    return Failure(Reason.SOAP_FAULT, f"the server answered with a fault{fault_code}")


def other_version(said: str) -> Failure:
    """The failure of a server that uses another SOAP version than the WSDL; ``said`` is the fault code or HTTP status
    that shows it.
    """
    return Failure(
        Reason.SOAP_VERSION_UNSUPPORTED, f"the server speaks another version of SOAP than the WSDL in use ({said})"
    )


def _first_text(fault: etree._Element, *names: str) -> str:
    """The first non-blank text, taken from the first of ``names`` for which an element has one."""
    texts: dict[str, str] = {}
    for node in fault.iter("*"):
        if (node.text or "").strip():
            texts.setdefault(local_name(node), node.text or "")
    return next((texts[name] for name in names if name in texts), "")
