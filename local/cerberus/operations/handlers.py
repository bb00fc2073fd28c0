"""The handlers of operations, and the table that each subject's module fills.

A handler takes the state and the request's values and returns the reply's values, both by the contract's field names.
Handlers run under the state's lock.

This module is separate from ``local.cerberus.operations``, because that package imports the subjects' modules, and each
of them imports this one.
"""

from collections.abc import Callable

from local.cerberus import contract
from local.cerberus.state import ServerState
from local.cerberus.values import Values

type Handler = Callable[[ServerState, Values], Values]


class Operations:
    """The operations of one subject: their handlers, and which of them change the server's state."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.writing: set[str] = set()

    def reads(self, name: str) -> Callable[[Handler], Handler]:
        """Register the handler of an operation that only reads."""

        def register(handler: Handler) -> Handler:
            self.handlers[name] = handler
            return handler

        return register

    def writes(self, name: str) -> Callable[[Handler], Handler]:
        """Register the handler of an operation that changes the server's state."""
        self.writing.add(name)
        return self.reads(name)


def negative(operation: str) -> Values:
    """The reply of an operation that was not carried out: false and empty lists."""
    values: Values = {}
    for field in contract.fields(contract.OPERATIONS[operation].response):
        if field.is_list:
            values[field.name] = []
        elif field.type == "xsd:boolean":
            values[field.name] = False
    return values
