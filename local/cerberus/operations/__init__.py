"""The 70 operations: what each does to the state and answers.

Each subject has a module, and each module a table of its own, ``OPERATIONS``;
here they become one.
"""

from local.cerberus.operations import accounts, idle_engine, network, server_status, stored_documents
from local.cerberus.operations.handlers import Handler, negative

_SUBJECTS = (stored_documents, accounts, network, server_status, idle_engine)

HANDLERS: dict[str, Handler] = {
    name: handler for subject in _SUBJECTS for name, handler in subject.OPERATIONS.handlers.items()
}
WRITES = frozenset(name for subject in _SUBJECTS for name in subject.OPERATIONS.writing)
"""The operations that change what the server holds."""

__all__ = ["HANDLERS", "WRITES", "negative"]
