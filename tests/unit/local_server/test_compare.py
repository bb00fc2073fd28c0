"""The independent comparison notices every kind of difference and nothing else."""

from collections.abc import Callable

import pytest

from local.cerberus import documents, drift
from local.cerberus.compare import PARTS, kept_machine_values, machine_view, replicable_differences
from local.cerberus.faults import normalised
from local.cerberus.generate import generate
from local.cerberus.machine import SECTIONS, Machine
from local.cerberus.state import ServerState, Snapshot

ALL_PARTS = (*PARTS, "listeners")


def make(name: str, **changes: object) -> ServerState:
    return generate(2, users=10, groups=3, machine=Machine.named(name, **changes))


@pytest.fixture
def primary() -> Snapshot:
    return make("primary").snapshot()


@pytest.fixture
def backup() -> ServerState:
    return make("backup")


def test_servers_that_differ_in_machine_and_run_time_values_alone_are_equal(
    primary: Snapshot, backup: ServerState
) -> None:
    assert primary.documents["settings"] != backup.document("settings")
    assert primary.documents["profiles"] != backup.document("profiles")
    assert replicable_differences(primary, backup.snapshot(), ALL_PARTS) == []


def test_a_log_in_is_no_difference(primary: Snapshot, backup: ServerState) -> None:
    drift.log_in(backup, backup.names("profiles")[0])

    assert replicable_differences(primary, backup.snapshot()) == []


def test_another_serialisation_is_no_difference(primary: Snapshot, backup: ServerState) -> None:
    before = backup.snapshot()
    for name in documents.ROOTS:
        assert backup.store(name, normalised(backup.document(name)))

    assert replicable_differences(primary, backup.snapshot(), ALL_PARTS) == []
    assert kept_machine_values(before, backup.snapshot()) == []


DRIFTS: list[tuple[str, Callable[[ServerState], None]]] = [
    ("accounts", lambda s: drift.add_user(s, "new")),
    ("accounts", lambda s: drift.remove_user(s, s.names("profiles")[3])),
    ("accounts", lambda s: drift.edit_user(s, s.names("profiles")[3], "password/@value", "other")),
    ("accounts", lambda s: drift.edit_user(s, s.names("profiles")[0], "sshKeys/publicKey[User000000 laptop]", "k")),
    ("accounts", lambda s: drift.edit_user(s, s.names("profiles")[3], "isDisabled/@value", "maybe")),
    ("accounts", lambda s: drift.add_group(s, "new")),
    ("accounts", lambda s: drift.remove_group(s, s.names("groups")[0])),
    ("accounts", lambda s: drift.edit_group(s, s.names("groups")[0], "@desc", "other")),
    ("settings", lambda s: drift.set_setting(s, "general/maxConnections", "1")),
    ("settings", lambda s: drift.set_setting(s, "security/tls/@minimumVersion", "1.3")),
    ("settings", lambda s: drift.set_setting(s, "advanced/entry[TransferThreads]", "99")),
    ("settings", lambda s: drift.set_setting(s, "advanced/entry[ZipCompressionLevel]", "99")),
    ("settings", lambda s: drift.set_setting(s, "general/unheardOf", "1")),
    ("settings", lambda s: drift.remove_setting(s, "logging/maxFiles")),
    ("authentication", lambda s: drift.edit_authentication(s, "directory[Partners]/bindPassword", "other")),
    ("authentication", lambda s: drift.enable_source(s, "Partners")),
    ("event_rules", lambda s: drift.add_rule(s, "new")),
    ("event_rules", lambda s: drift.remove_rule(s, "Rule 1")),
    ("event_rules", lambda s: drift.edit_rule(s, "Rule 1", "trigger", "never")),
    ("mime_mappings", lambda s: drift.set_mime(s, "new", "text/new")),
    ("mime_mappings", lambda s: drift.set_mime(s, "pdf", "text/plain")),
    ("mime_mappings", lambda s: drift.remove_mime(s, "pdf")),
    ("ip_block_lists", lambda s: drift.block(s, "192.0.2.240", "192.0.2.250")),
    ("account_requests", lambda s: drift.add_request(s, "new")),
    ("listeners", lambda s: drift.set_listener_option(s, 2, 22, "connectionLimit", 1)),
]


@pytest.mark.parametrize(("part", "change"), DRIFTS)
def test_one_change_is_found_in_its_part_and_in_no_other(
    primary: Snapshot, backup: ServerState, part: str, change: Callable[[ServerState], None]
) -> None:
    change(backup)

    assert {difference.part for difference in replicable_differences(primary, backup.snapshot(), ALL_PARTS)} == {part}


def test_unblocking_is_a_difference(primary: Snapshot, backup: ServerState) -> None:
    with backup.lock:
        address = str(documents.key(backup.tree("ip_block_list")[0])).rstrip("-")
    drift.unblock(backup, address)

    assert {difference.part for difference in replicable_differences(primary, backup.snapshot())} == {"ip_block_lists"}


def test_a_machine_drifted_everywhere_differs_in_every_default_part(primary: Snapshot, backup: ServerState) -> None:
    before = backup.snapshot()
    drift.everywhere(backup)

    assert {difference.part for difference in replicable_differences(primary, backup.snapshot())} == set(PARTS)
    assert kept_machine_values(before, backup.snapshot()) == []


def _places() -> list[str]:
    return sorted(
        path for path in machine_view(make("backup").snapshot()) if not path.startswith(("listeners", "auto"))
    )


@pytest.mark.parametrize("path", [path for path in _places() if path not in ("hostname", "version")])
def test_one_changed_machine_value_is_found_and_is_no_replicable_difference(
    primary: Snapshot, backup: ServerState, path: str
) -> None:
    before = backup.snapshot()
    with backup.edit("settings") as root:
        where, attribute = documents.attribute_of(path)
        element = documents.find(root, where)
        assert element is not None
        if attribute:
            element.set(documents.q(attribute), f"{element.get(documents.q(attribute))}x")
        else:
            element.text = f"{element.text or ''}x"

    assert kept_machine_values(before, backup.snapshot())
    if "[" not in path:  # a changed name or key makes another entry of it
        assert replicable_differences(primary, backup.snapshot()) == []


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_that_appears_or_goes_is_found(section: str) -> None:
    without, whole = make("backup", absent=(section,)), make("backup")

    assert {difference.kind for difference in kept_machine_values(without.snapshot(), whole.snapshot())} == {"extra"}
    assert {difference.kind for difference in kept_machine_values(whole.snapshot(), without.snapshot())} == {"missing"}


def test_the_settings_of_another_machine_are_found_in_every_section(primary: Snapshot, backup: ServerState) -> None:
    before = backup.snapshot()
    assert backup.store("settings", primary.documents["settings"])

    paths = {difference.path for difference in kept_machine_values(before, backup.snapshot())}
    for section in SECTIONS:
        assert any(path.startswith(documents.MACHINE_SETTINGS[section]) for path in paths), section


def test_listeners_and_the_automatic_list_are_the_machines_own_unless_replicated(backup: ServerState) -> None:
    before = backup.snapshot()
    drift.auto_block(backup, "198.51.100.250")
    drift.set_listener_option(backup, 3, 443, "showTimezone", value=False)

    assert len(kept_machine_values(before, backup.snapshot())) > 1
    assert kept_machine_values(before, backup.snapshot(), (*ALL_PARTS, "auto_block_list")) == []


def test_an_address_of_a_listener_is_the_machines_own_even_if_listeners_are_replicated(backup: ServerState) -> None:
    before = backup.snapshot()
    with backup.lock:
        backup.interfaces[0]["ipAddress"] = "192.0.2.1"

    differing = kept_machine_values(before, backup.snapshot(), ALL_PARTS)

    assert [difference.path for difference in differing] == ["listeners/0:21/ipAddress"]


def test_differences_name_places_and_never_values(primary: Snapshot, backup: ServerState) -> None:
    drift.edit_user(backup, backup.names("profiles")[0], "password/@value", "SECRET")

    assert "SECRET" not in repr(replicable_differences(primary, backup.snapshot()))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: drift.remove_user(state, "nobody"),
        lambda state: drift.edit_group(state, "nobody", "@desc", "x"),
        lambda state: drift.remove_mime(state, "nothing"),
        lambda state: drift.set_listener_option(state, 9, 9, "useHSTS", value=True),
    ],
)
def test_a_drift_of_something_that_is_not_there_is_an_error(
    backup: ServerState, change: Callable[[ServerState], None]
) -> None:
    with pytest.raises(LookupError):
        change(backup)


def test_a_snapshot_survives_json(primary: Snapshot) -> None:
    assert Snapshot.from_json(primary.to_json()) == primary
