"""Clients for a Cerberus server: one that can only read, and one that can also write to a backup.

A primary is only ever used through ``PrimaryClient``, which has no method and no SOAP operation that changes anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Self

from cerberus.certificate import end_of
from cerberus.checked_connection import Dialer
from cerberus.decoder import Values
from cerberus.endpoint import USERS, Endpoint
from cerberus.soap import SoapClient
from common.deadline import Deadline
from common.errors import UNANSWERED, Failure, Reason, suppressed
from common.runtime import Runtime
from common.server_types import (
    Authentication,
    AuthenticationSource,
    Content,
    Features,
    Licence,
    Listener,
    MimeMapping,
    Security,
    ServerFacts,
    Version,
)

READS = frozenset(
    {
        "GetAuthenticationList",
        "GetAutoBlockList",
        "GetBackupServers",
        "GetConfiguration",
        "GetEventRules",
        "GetFeatures",
        "GetGroupList",
        "GetGroups",
        "GetIPBlockList",
        "GetInterfaceList",
        "GetLicenseInfo",
        "GetMimeMappings",
        "GetProfiles",
        "GetRequestedAccounts",
        "GetUserList",
        "ServerInformation",
        "ServerSummaryStatus",
    }
)
WRITES = frozenset(
    {
        "CommitSettings",
        "ModifyInterface",
        "SaveBlockList",
        "SaveConfiguration",
        "SaveMimeMappings",
        "SaveProfiles",
        "SetAuthenticationList",
        "SetEventRules",
        "SetRequestedAccounts",
    }
)


@dataclass(frozen=True)
class NativeTarget:
    """A target in the list of the server's own Synchronization Manager. The target's password is not read."""

    host: str
    port: int
    secure: bool
    username: str
    enabled: bool


@dataclass(frozen=True)
class NativeSync:
    """The configuration of the server's own Synchronization Manager: on or off, interval in minutes, and targets."""

    enabled: bool
    interval_minutes: int
    on_change: bool
    targets: tuple[NativeTarget, ...] = ()


class PrimaryClient:
    """Reads one server. Only one thread may use it; close it, or use it in a ``with`` statement.

    All connections go to the address that answered first, so facts about the server stay valid. With the ``dialer`` of
    another client, this client connects to the same machine as the other one.

    Every method raises Failure that names the server. READ_REFUSED means that the server reported no success; a missing
    document or field is REPLY_INCOMPLETE, and an empty document is an empty string.
    """

    _writes: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, endpoint: Endpoint, deadline: Deadline, runtime: Runtime, *, dialer: Dialer | None = None
    ) -> None:
        self._endpoint = endpoint
        self._deadline = deadline.copy()
        self._runtime = runtime
        self._dialer = dialer or Dialer(endpoint.host, endpoint.port, endpoint.addresses, endpoint.not_at)
        self._soap = SoapClient(
            endpoint, self._deadline, runtime, dialer=self._dialer, reads=READS, writes=self._writes
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._soap.close()

    @property
    def label(self) -> str:
        """The server's name in messages."""
        return self._endpoint.label

    @property
    def address(self) -> tuple[str, int]:
        """The registered host and port."""
        return self._endpoint.host, self._endpoint.port

    @property
    def list_room(self) -> int:
        """Maximum size in bytes of the parsed tree of a user or group list."""
        return self._endpoint.budgets.of(USERS).tree

    def facts(self) -> ServerFacts:
        """The facts that the server reports, from five operations and its certificate."""
        information = self._read("ServerInformation")["result"]
        return ServerFacts(
            version=Version(*(information["version"][part] for part in _VERSION)),
            hostname=information.get("hostname", ""),
            licence=self._licence(),
            features=self._features(),
            security=self.security(),
            certificate_ends=end_of(self._soap.certificate) if self._soap.certificate else None,
            native_sync=self._pushes_itself(),
        )

    def security(self) -> Security:
        """The server's SOAP and TLS settings."""
        summary = self._read("ServerSummaryStatus")["result"]
        return Security(
            soap_enabled=summary["isSoapWebEnabled"],
            soap_secure=summary["isSoapSecure"],
            soap_port=summary["soapPort"],
            tls_key_type=summary.get("sslKeyType", ""),
            tls_key_bits=summary.get("sslKeyBits", 0),
        )

    def user_names(self) -> tuple[str, ...]:
        return tuple(self._read("GetUserList")["UserList"])

    def group_names(self) -> tuple[str, ...]:
        return tuple(self._read("GetGroupList")["GroupList"])

    def settings(self) -> Content:
        return self._document("GetConfiguration", "data")

    def authentication(self) -> Authentication:
        answer = self._read("GetAuthenticationList")
        return Authentication(
            document=answer["dataXml"],
            sources=tuple(
                AuthenticationSource(
                    enabled=source["enabled"],
                    name=source["name"],
                    type=source.get("type", ""),
                    description=source.get("description", ""),
                )
                for source in answer["authenticationList"]
            ),
        )

    def users(self) -> Content:
        return self._document("GetProfiles", "data")

    def groups(self) -> Content:
        return self._document("GetGroups", "data")

    def event_rules(self) -> Content:
        return self._document("GetEventRules", "dataXml")

    def mime_mappings(self) -> tuple[MimeMapping, ...]:
        mappings = self._read("GetMimeMappings")["mime"]["map"]
        return tuple(MimeMapping(mapping["ext"], mapping["type"]) for mapping in mappings)

    def blocked_addresses(self) -> Content:
        return self._document("GetIPBlockList", "data")

    def auto_blocked_addresses(self) -> Content:
        return self._document("GetAutoBlockList", "data")

    def account_requests(self) -> Content:
        return self._document("GetRequestedAccounts", "dataXml")

    def listeners(self) -> tuple[Listener, ...]:
        return tuple(
            Listener(
                id=interface["id"],
                address=interface.get("ipAddress", ""),
                protocol=interface["type"],
                options=_plain(interface["options"]),
            )
            for interface in self._read("GetInterfaceList")["InterfaceList"]
        )

    def native_sync(self) -> NativeSync:
        """The configuration of the server's own Synchronization Manager, without its passwords."""
        config = self._read("GetBackupServers")["config"]
        settings = config["config"]
        return NativeSync(
            enabled=settings["enable"],
            interval_minutes=settings.get("syncIntervalMinutes", 0),
            on_change=settings.get("syncOnServerChange", False),
            targets=tuple(
                NativeTarget(
                    host=server["host"],
                    port=server["port"],
                    secure=server.get("useSSL", False),
                    username=server.get("username", ""),
                    enabled=server["enableSync"],
                )
                for server in config["servers"]["server"]
            ),
        )

    def _pushes_itself(self) -> bool | None:
        """Whether the server's own Synchronization Manager pushes to other servers; None if the server does not report
        it.

        Replication does not depend on the answer, so a server without the operation is still accepted.
        """
        with suppressed(*UNANSWERED):
            native = self.native_sync()
            return native.enabled and any(target.enabled for target in native.targets)
        return None

    def _licence(self) -> Licence:
        licence = self._read("GetLicenseInfo")["LicenseInformation"]
        return Licence(
            valid=licence["isValid"],
            name=licence.get("name", ""),
            company=licence.get("companyName", ""),
            edition=licence.get("productEdition", ""),
            issued=licence.get("issuedDate", 0),
            installed=licence.get("installedDate", 0),
            days_left=licence.get("daysValid", 0),
            error=licence.get("errorMessage", ""),
        )

    def _features(self) -> Features:
        features = self._read("GetFeatures")["Features"]
        return Features(
            server_sync=features["enableServerSync"],
            directory_authentication=features["enableActiveDirectory"] or features["enableLDAPAuthentication"],
            events=features["enableEvents"],
            edition_code=features.get("productEditionCode", 0),
        )

    def _document(self, operation: str, field: str) -> Content:
        document: Content = self._read(operation)[field]
        return document

    def _read(self, operation: str) -> Values:
        answer = self._soap.call(operation)
        result = answer.get("result")
        if result is False or (isinstance(result, dict) and result.get("isSuccess") is False):
            raise Failure(Reason.READ_REFUSED, f"the server answered false to {operation}", server=self.label)
        return answer


class BackupClient(PrimaryClient):
    """Reads and writes one backup.

    Write methods return nothing; WRITE_REFUSED means that the server reported no success. A write that returns proves
    only that the server reported success.
    """

    _writes = WRITES

    @property
    def deadline(self) -> Deadline:
        """The deadline for this client's calls only."""
        return self._deadline

    def write_settings(self, document: Content) -> None:
        self._write("SaveConfiguration", ConfigXML=document)

    def write_authentication(self, authentication: Authentication) -> None:
        self._write(
            "SetAuthenticationList",
            dataXml=authentication.document,
            authenticationList=[
                {
                    "enabled": source.enabled,
                    "name": source.name,
                    "type": source.type,
                    "description": source.description,
                }
                for source in authentication.sources
            ],
        )

    def write_accounts(self, users: Content, groups: Content) -> None:
        self._write("SaveProfiles", ProfilesXML=users, GroupsXML=groups)

    def write_event_rules(self, document: Content) -> None:
        self._write("SetEventRules", dataXml=document)

    def write_mime_mappings(self, mappings: tuple[MimeMapping, ...]) -> None:
        entries = [{"ext": mapping.extension, "type": mapping.type} for mapping in mappings]
        self._write("SaveMimeMappings", mime={"map": entries})

    def write_block_lists(self, manual: Content, automatic: Content) -> None:
        self._write("SaveBlockList", IPBlockList=manual, AutoBlockListXML=automatic)

    def write_account_requests(self, document: Content) -> None:
        self._write("SetRequestedAccounts", dataXml=document)

    def write_listener(self, listener: Listener) -> None:
        """Change the options of the listener with its id."""
        self._write("ModifyInterface", InterfaceID=listener.id, Opts=_plain(listener.options))

    def fresh_facts(self) -> ServerFacts:
        """The facts, read over a new connection to the same machine with a new log-in."""
        with BackupClient(self._endpoint, self._deadline, self._runtime, dialer=self._dialer) as another:
            return another.facts()

    def commit_listeners(self, listeners: tuple[Listener, ...], settings: Content) -> None:
        """Make changed listeners permanent; ``settings`` is the server's own current document."""
        interfaces = [
            {
                "id": listener.id,
                "options": _plain(listener.options),
                "ipAddress": listener.address,
                "type": listener.protocol,
            }
            for listener in listeners
        ]
        self._write("CommitSettings", InterfaceList=interfaces, ConfigXML=settings)

    def _write(self, operation: str, **fields: object) -> None:
        if not self._soap.call(operation, **fields)["result"]:
            raise Failure(Reason.WRITE_REFUSED, f"the server answered false to {operation}", server=self.label)


_VERSION = ("maj", "min", "maint", "build")


def _plain(options: Mapping[str, object]) -> dict[str, object]:
    """A deep copy of ``options`` as plain dictionaries, which zeep accepts and callers may keep."""
    return {name: _plain(value) if isinstance(value, Mapping) else value for name, value in options.items()}
