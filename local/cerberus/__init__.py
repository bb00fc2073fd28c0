"""A stand-in for the SOAP API of a Cerberus FTP server.

The stand-in shares no code with the product and reads its own copy of the contract (``contract.json``), so that it can
reveal errors of the product. On the wire it behaves like a gSOAP 2.8 server for that contract; the inner structure of
its documents is modelled, not captured (see ``documents``).
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
