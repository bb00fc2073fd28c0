"""The table of the API's operations, built from the declared routes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.dependant import get_dependant
from aws_lambda_powertools.event_handler.openapi.params import Dependant
from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse


@dataclass(frozen=True)
class Operation:
    """One operation: a method at a path. ``path`` is a template such as ``/backups/{backup_id}``.

    ``failures`` are the error replies by status, beyond those that every operation may return.
    """

    id: str
    method: str
    path: str
    call: Callable[..., Any]
    failures: Mapping[int, OpenAPIResponse]

    @cached_property
    def query_parameters(self) -> frozenset[str]:
        """The names of the operation's query parameters."""
        return frozenset(str(parameter.alias) for parameter in self._dependant.query_params)

    @cached_property
    def body_fields(self) -> frozenset[str]:
        """The names of the fields in the operation's body."""
        return frozenset(
            name for body in self._dependant.body_params for name in getattr(body.type_, "model_fields", ())
        )

    @cached_property
    def _dependant(self) -> Dependant:
        return get_dependant(path=self.path, call=self.call)

    def is_at(self, path: str) -> bool:
        """Whether a path matches this template."""
        own, given = self.path.split("/"), path.split("/")
        return len(own) == len(given) and all(
            one == other or one.startswith("{") for one, other in zip(own, given, strict=True)
        )


class Api(APIGatewayRestResolver):
    """The library's resolver, which calls the function of a route, with a table of operations, because the library does
    not expose the declared routes.
    """

    def __init__(self, **options: Any) -> None:
        self.operations: list[Operation] = []
        super().__init__(**options)

    def route[Call: Callable[..., Any]](
        self, rule: str, method: Any, *args: Any, **named: Any
    ) -> Callable[[Call], Call]:
        """Declare a route; ``responses`` are its error replies. The library calls this for every route."""
        given = signature(super().route).bind(rule, method, *args, **named).arguments
        failures = given.pop("responses", None) or {}
        declare = super().route(**given)
        path = rule.replace("<", "{").replace(">", "}")

        def declared(call: Call) -> Call:
            for one in (method,) if isinstance(method, str) else method:
                self.operations.append(Operation(given["operation_id"], one, path, call, failures))
            return declare(call)

        return declared

    def at(self, path: str) -> list[Operation]:
        """The operations that match a path; templates with fewer parameters come first."""
        return sorted((one for one in self.operations if one.is_at(path)), key=lambda one: one.path.count("{"))
