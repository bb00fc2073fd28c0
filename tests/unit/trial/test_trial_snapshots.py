import json
import os
import stat
from pathlib import Path

import pytest

from common.errors import Failure, Reason
from common.server_types import Features, Licence, Security, ServerFacts, Version
from local.trial.request import log_in_of
from local.trial.snapshots import FolderSnapshots, load
from registry.fleet_records import Credentials
from registry.snapshots import decode

FACTS = ServerFacts(
    Version(12, 11, 6, 0),
    "files2",
    Licence(valid=True),
    Features(server_sync=True, directory_authentication=True, events=True),
    Security(soap_enabled=True, soap_secure=True, soap_port=8443, tls_key_type="RSA", tls_key_bits=2048),
)


RUN = "20261122T120000.000000Z-0badc0de"


def _snapshots(folder: Path) -> FolderSnapshots:
    return FolderSnapshots(folder, "files2-8443", RUN, FACTS)


def test_a_snapshot_can_be_had_again_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        path = Path(_snapshots(tmp_path / "kept").keep({"settings": "<a>\r\n</a>"}, FACTS))
    finally:
        os.umask(mask)
    key = path.relative_to(tmp_path / "kept").as_posix()
    held = decode(key, path.read_bytes()).content
    assert (held.parts, held.facts, held.primary) == ({"settings": "<a>\r\n</a>"}, FACTS, FACTS)
    made = [path, *path.parents[:4]]
    assert made[-1] == tmp_path / "kept"
    assert [stat.S_IMODE(one.stat().st_mode) for one in made] == [0o600, 0o700, 0o700, 0o700, 0o700]


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Failure) as failed:
        _snapshots(tmp_path / "file").keep({"settings": ""}, FACTS)
    assert failed.value.reason is Reason.SNAPSHOT_NOT_KEPT
    snapshots = _snapshots(tmp_path / "kept")
    snapshots.keep({"settings": ""}, FACTS)
    with pytest.raises(Failure) as failed:  # nothing that was kept is ever overwritten
        snapshots.keep({"settings": ""}, FACTS)
    assert failed.value.reason is Reason.SNAPSHOT_NOT_KEPT


@pytest.mark.parametrize("change", [{"format": 2}, {"patterns": []}])
def test_a_file_of_a_newer_version_is_refused_and_says_what_is_not_understood(
    tmp_path: Path, change: dict[str, object]
) -> None:
    path = Path(_snapshots(tmp_path).keep({"settings": "<a/>"}, FACTS))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Failure, match=f"{next(iter(change))}: .*is not known here") as failed:
        load(path)
    assert failed.value.reason is Reason.SNAPSHOT_UNREADABLE


def test_log_ins_come_from_the_environment() -> None:
    named = {"CERBERUS_BACKUP_USERNAME": "root", "CERBERUS_BACKUP_PASSWORD": "p"}
    assert log_in_of("backup", named) == Credentials("root", "p")
    assert log_in_of("primary", {"CERBERUS_PRIMARY_PASSWORD": "p"}).username == "admin"


def test_a_log_in_that_nobody_can_be_asked_for_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        with pytest.raises(Failure, match="CERBERUS_BACKUP_PASSWORD") as failed:
            log_in_of("backup", {"CERBERUS_BACKUP_USERNAME": "root"})
    assert failed.value.reason is Reason.CREDENTIALS_MISSING
