"""The 70 operations of the contract: how each changes the state, and its reply.

Each subject has a module with its own table ``OPERATIONS``; this package combines them.
"""

from local.cerberus.operations import accounts, idle_engine, network, server_status, stored_documents
from local.cerberus.operations.handlers import Handler, negative

_SUBJECTS = (stored_documents, accounts, network, server_status, idle_engine)

HANDLERS: dict[str, Handler] = {
    name: handler for subject in _SUBJECTS for name, handler in subject.OPERATIONS.handlers.items()
}
WRITES = frozenset(name for subject in _SUBJECTS for name in subject.OPERATIONS.writing)
"""The operations that change the server's state."""

__all__ = ["HANDLERS", "WRITES", "negative"]
