"""The WSDL, used for building requests and for reading replies.

zeep reads the files and renders requests, without access to the network and without a cache on disk. All threads share
a loaded service, which takes about 50 ms to load and never changes.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zeep
import zeep.exceptions
from lxml import etree
from zeep.wsdl.bindings.soap import Soap11Binding, Soap12Binding

from common.errors import Failure, Reason

SHIPPED = Path(__file__).with_name("Cerberus.wsdl")
"""The shipped WSDL, written from public information about the servers' WSDL. A deployment may use the file of its
server version instead.
"""

# zeep logs whole envelopes at level DEBUG. Each of its loggers gets a level here, because a logger that already has a
# level of its own does not take the level of the logger "zeep".
for _name in ("zeep", "zeep.transports", "zeep.wsdl", "zeep.wsdl.wsdl", "zeep.wsdl.bindings.soap", "zeep.xsd"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_SETTINGS = zeep.Settings(forbid_dtd=True, forbid_entities=True, forbid_external=True)


@dataclass(frozen=True)
class Operation:
    """One operation: how its request is rendered, and the structure of its reply.

    ``response`` is zeep's description of the reply's element, with ``qname`` and ``type``. The type has ``elements``
    and ``attributes``.
    ``templates`` caches the constant parts of requests for the encoder.
    """

    name: str
    headers: dict[str, str]
    response: Any
    _client: Any
    _port: Any
    templates: dict[tuple[str, ...], Any] = field(default_factory=dict, compare=False)

    def render(self, fields: Mapping[str, Any]) -> etree._Element:
        """The envelope for ``fields``, by their names in the WSDL. Raises zeep's exceptions for invalid values."""
        envelope: etree._Element = self._client.create_message(self._port, self.name, **fields)
        return envelope


class Service:
    """The operations of one WSDL file. Raises Failure(CONFIGURATION_INVALID) if it cannot be used."""

    def __init__(self, wsdl: Path) -> None:
        self._client = _load(wsdl)
        self._binding = self._pick_binding()
        if self._binding is None:
            raise Failure(Reason.CONFIGURATION_INVALID, f"the WSDL {wsdl.name} has no SOAP binding")
        self._port = self._client.create_service(self._binding.name.text, "")
        self._operations: dict[str, Operation] = {}

    def operation(self, name: str) -> Operation:
        """The operation with this name. Raises Failure(OPERATION_UNSUPPORTED) if the WSDL does not have it."""
        if name not in self._operations:
            if name not in self._binding.all():
                raise Failure(Reason.OPERATION_UNSUPPORTED, f"the WSDL in use has no operation {name}")
            described = self._binding.get(name)
            headers = self._headers(described.soapaction)
            self._operations[name] = Operation(name, headers, described.output.body, self._client, self._port)
        return self._operations[name]

    def operations(self) -> frozenset[str]:
        """The names of all operations."""
        return frozenset(self._binding.all())

    def _pick_binding(self) -> Any:
        """The binding to use: SOAP 1.2 if available, because all versions of the server accept it."""
        bindings = self._client.wsdl.bindings.values()
        for kind in (Soap12Binding, Soap11Binding):
            for binding in bindings:
                if isinstance(binding, kind):
                    return binding
        return None

    def _headers(self, action: str) -> dict[str, str]:
        if isinstance(self._binding, Soap12Binding):
            return {"Content-Type": f'application/soap+xml; charset=utf-8; action="{action}"'}
        return {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{action}"'}


def _load(wsdl: Path) -> Any:
    try:
        client: Any = zeep.Client  # zeep has no types
        return client(str(wsdl), transport=_LocalFiles(), settings=_SETTINGS)
    except (zeep.exceptions.Error, etree.LxmlError, OSError, ValueError, LookupError, AttributeError):
        failure = Failure(Reason.CONFIGURATION_INVALID, f"the WSDL {wsdl.name} or a schema of it cannot be read")
    raise failure


class _LocalFiles:
    """The object through which zeep loads WSDL and schema files: from local files only, never from the network."""

    def load(self, url: str) -> bytes:
        if "://" in url:
            raise ValueError("only local files are loaded")
        return Path(url).read_bytes()


_services: dict[Path, Service] = {}
_loading = threading.Lock()


def service(wsdl: Path | None = None) -> Service:
    """The service of ``wsdl``, or of the shipped file; each file is loaded once per process."""
    path = wsdl or SHIPPED
    with _loading:
        if path not in _services:
            _services[path] = Service(path)
        return _services[path]
