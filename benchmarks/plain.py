"""What an administrator with zeep would write: one server after the other, no thought of speed.

``blind`` reads the primary and pushes users, groups, settings, event rules and
authentication sources to every backup, without looking. ``steps`` takes the
product's steps: it asks each backup what it is, reads all parts, compares,
pushes what differs and reads it back. ``python -m benchmarks.plain`` takes a
line of JSON and prints one.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests
import zeep
from lxml import etree

from benchmarks.servers import HOST, PRIMARY, FleetAccess

WSDL = str(Path(__file__).resolve().parents[1] / "functions" / "cerberus" / "Cerberus.wsdl")
FACTS = ("ServerInformation", "GetLicenseInfo", "GetFeatures", "ServerSummaryStatus")
OTHERS = ("GetMimeMappings", "GetIPBlockList", "GetAutoBlockList", "GetRequestedAccounts")
SHARED_SECTIONS = ("logging", "policy", "userManager")
"""Sections of the settings that hold nothing of one machine: the plain script compares no others, and pushes none."""
RUN_TIME = ("lastLoginTime", "lastLoginIP")


class Server:
    """A server with everything zeep offers, over one session."""

    def __init__(self, access: FleetAccess, name: str, ca_file: str) -> None:
        session = requests.Session()
        session.trust_env = False  # or else a variable such as REQUESTS_CA_BUNDLE decides whom to trust
        session.verify = ca_file
        library: Any = zeep  # which has no types
        client = library.Client(WSDL, transport=library.Transport(session=session, operation_timeout=60))
        binding = next(iter(client.wsdl.bindings))
        self._service = client.create_service(
            binding, f"https://{HOST}:{access.ports[name]}/service/cerberusftpservice"
        )
        self._credentials = {"user": access.user, "password": access.passwords[name]}

    def call(self, operation: str, **fields: object) -> Any:
        return self._service[operation](credentials=self._credentials, **fields)


def blind(access: FleetAccess, ca_file: str) -> int:
    """Push to every backup what the primary holds. The number of backups."""
    primary = Server(access, PRIMARY, ca_file)
    users, groups = primary.call("GetProfiles").data, primary.call("GetGroups").data
    settings, rules = primary.call("GetConfiguration").data, primary.call("GetEventRules").dataXml
    sources = primary.call("GetAuthenticationList")
    backups = [name for name in access.ports if name != PRIMARY]
    for name in backups:
        backup = Server(access, name, ca_file)
        done = (
            _result(backup.call("SaveProfiles", ProfilesXML=users, GroupsXML=groups)),
            _result(backup.call("SaveConfiguration", ConfigXML=settings)),
            _result(backup.call("SetEventRules", dataXml=rules)),
            _result(
                backup.call(
                    "SetAuthenticationList", dataXml=sources.dataXml, authenticationList=sources.authenticationList
                )
            ),
        )
        if not all(done):
            raise RuntimeError(f"{name} refused")
    return len(backups)


def steps(access: FleetAccess, ca_file: str) -> int:
    """Look, compare, push what differs, read back. The number of backups that were pushed to."""
    wanted = _read(Server(access, PRIMARY, ca_file))
    pushed = 0
    for name in [name for name in access.ports if name != PRIMARY]:
        backup = Server(access, name, ca_file)
        held = _read(backup)
        if _settings(held) != _settings(wanted):
            raise RuntimeError("the settings of this benchmark differ in nothing that is shared")
        if any(_canonical(held[part]) != _canonical(wanted[part]) for part in ("GetProfiles", "GetGroups")):
            backup.call("SaveProfiles", ProfilesXML=wanted["GetProfiles"], GroupsXML=wanted["GetGroups"])
            for part in ("GetProfiles", "GetGroups"):
                if _canonical(backup.call(part).data) != _canonical(wanted[part]):
                    raise RuntimeError(f"{name} does not hold what it was sent")
            pushed += 1
    return pushed


def _read(server: Server) -> dict[str, Any]:
    answers: dict[str, Any] = {operation: server.call(operation) for operation in FACTS}
    if not answers["GetLicenseInfo"].LicenseInformation.isValid or not answers["ServerSummaryStatus"].isSoapSecure:
        raise RuntimeError("not ready for replication")
    for operation in ("GetConfiguration", "GetProfiles", "GetGroups"):
        answers[operation] = server.call(operation).data
    answers["GetEventRules"] = server.call("GetEventRules").dataXml
    answers["GetAuthenticationList"] = server.call("GetAuthenticationList")
    return answers | {operation: server.call(operation) for operation in OTHERS}


def _canonical(document: str) -> bytes:
    root = etree.fromstring(document.encode())
    for element in [each for each in root.iter(etree.Element) if etree.QName(each).localname in RUN_TIME]:
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)
    return etree.tostring(root, method="c14n")


def _settings(answers: dict[str, Any]) -> list[bytes]:
    root = etree.fromstring(answers["GetConfiguration"].encode())
    return [
        etree.tostring(each, method="c14n", with_tail=False)
        for each in root.iter(etree.Element)
        if etree.QName(each).localname in SHARED_SECTIONS
    ]


def _result(answer: Any) -> bool:
    return bool(getattr(answer, "result", answer))


def main() -> None:
    """Do one of the two, and print wall and CPU seconds."""
    asked = json.loads(sys.stdin.readline())
    access = FleetAccess(**asked["access"])
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as ca_file:
        ca_file.write(access.ca_pem)
        ca_file.flush()
        wall, cpu = time.perf_counter(), time.process_time()
        served = {"blind": blind, "steps": steps}[asked["script"]](access, ca_file.name)
        figures = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "served": served}
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
