"""The client that calls SOAP operations of one server. It adds user name and password to a call, repeats the call once
after HTTP status 401, and allows only listed operations.
"""

from collections.abc import Mapping, Sequence

from cerberus.checked_connection import Dialer
from cerberus.decoder import NOTHING_SENT, Values, read_reply
from cerberus.encoder import write_request
from cerberus.endpoint import Endpoint
from cerberus.transport import Reply, Transport
from cerberus.wsdl import Operation, service
from common.deadline import Deadline
from common.errors import Failure, Reason
from common.runtime import Runtime

UNAUTHORIZED = 401
_FAULTS = (Reason.AUTHENTICATION_FAILED, Reason.OPERATION_UNSUPPORTED, Reason.SOAP_FAULT)
"""The failures that a server reports in a complete reply to the request."""


class SoapClient:
    """Calls operations of one server, by name.

    Only the operations in ``reads`` and ``writes`` are allowed. A read may be repeated if the server has closed a
    reused connection; a write is sent only once.

    Every request contains user name and password. Some versions of the server also require HTTP Basic authentication:
    after status 401 the call is repeated once with Basic authentication. After a failed log-in nothing more is sent,
    because the server's auto-blocker could block the client's address.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        deadline: Deadline,
        runtime: Runtime,
        *,
        dialer: Dialer,
        reads: frozenset[str],
        writes: frozenset[str] = frozenset(),
    ) -> None:
        self._endpoint = endpoint
        self._runtime = runtime
        self._reads = reads
        self._operations = reads | writes
        self._transport = Transport(endpoint, deadline, dialer)
        self._log_in_failed = False
        self._sent = NOTHING_SENT

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    @property
    def certificate(self) -> bytes | None:
        """The accepted certificate (DER) of the server; None before the first call."""
        return self._transport.certificate

    def call(self, operation: str, **fields: object) -> Values:
        """The reply to ``operation`` with ``fields``, whatever its ``result``.

        Raises Failure that names the server, and RuntimeError for an operation that this client does not allow.
        """
        if operation not in self._operations:
            raise RuntimeError(f"{operation} is not among the operations of this client")
        try:
            return self._call(operation, fields)
        except Failure as problem:
            self._log_in_failed = self._log_in_failed or problem.reason is Reason.AUTHENTICATION_FAILED
            failure = problem.at(self._endpoint.label)
        raise failure

    def _call(self, name: str, fields: Mapping[str, object]) -> Values:
        if self._log_in_failed:
            raise Failure(Reason.AUTHENTICATION_FAILED, "an earlier log-in failed; nothing more was sent")
        operation = service(self._endpoint.wsdl).operation(name)
        user, password = self._endpoint.credentials
        request = write_request(
            operation, {"credentials": {"user": user, "password": password}, **fields}, self._runtime
        )
        if request.large:
            self._sent = request.large
        budget = self._endpoint.budgets.of(name)
        reply = self._exchange(operation, request.pieces, budget.reply)
        del request  # frees the request's copy of a document before the reply is read
        try:
            return read_reply(
                operation, reply, self._runtime, budget=budget, server=self._endpoint.label, sent=self._sent
            )
        except Failure as failure:
            if failure.reason not in _FAULTS:  # an unread rest could be taken for the next reply
                self._transport.close()
            raise

    def _exchange(self, operation: Operation, body: Sequence[bytes], limit: int) -> Reply:
        repeatable = operation.name in self._reads
        reply = self._transport.post(body, operation.headers, limit=limit, repeatable=repeatable)
        if reply.status == UNAUTHORIZED:
            reply = self._transport.post(
                body, operation.headers, limit=limit, repeatable=repeatable, basic=self._endpoint.credentials
            )
        if reply.status == UNAUTHORIZED:
            raise Failure(Reason.AUTHENTICATION_FAILED, "the server refused the log-in with HTTP 401")
        return reply
