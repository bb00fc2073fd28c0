"""A stand-in for a Cerberus FTP server, as far as its SOAP API goes.

It shares no code with what it tests: it reads its own copy of the contract
(``contract.json``), so that it can prove the product wrong. On the wire it
behaves as a server built with gSOAP 2.8 does on that contract; the inner
structure of the documents it serves is modelled, not captured (see
``documents``).
"""

from local.cerberus.certificates import Authority, Identity, self_signed
from local.cerberus.compare import Difference, kept_machine_values, replicable_differences
from local.cerberus.faults import Fault, Kind
from local.cerberus.generate import generate
from local.cerberus.machine import Machine, Secrets
from local.cerberus.remote import RemoteServer
from local.cerberus.server import LocalServer, Options
from local.cerberus.state import ServerState, Snapshot

__all__ = [
    "Authority",
    "Difference",
    "Fault",
    "Identity",
    "Kind",
    "LocalServer",
    "Machine",
    "Options",
    "RemoteServer",
    "Secrets",
    "ServerState",
    "Snapshot",
    "generate",
    "kept_machine_values",
    "replicable_differences",
    "self_signed",
]
