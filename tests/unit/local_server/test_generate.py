"""A server's state from a seed."""

import pytest

from local.cerberus import documents
from local.cerberus.contract import COMMON
from local.cerberus.generate import generate
from local.cerberus.machine import SECTIONS, Machine, Secrets
from tests.support.steps import assert_linear


def test_the_same_seed_makes_the_same_server_byte_for_byte() -> None:
    assert generate(3, users=40, groups=4).snapshot() == generate(3, users=40, groups=4).snapshot()


def test_another_seed_makes_another_server() -> None:
    first, second = generate(3, users=40, groups=4).snapshot(), generate(4, users=40, groups=4).snapshot()

    for name in ("profiles", "groups", "settings", "ip_block_list", "requested_accounts"):
        assert first.documents[name] != second.documents[name]


@pytest.mark.parametrize("count", [0, 1, 37])
def test_there_are_as_many_users_and_groups_as_asked_for(count: int) -> None:
    state = generate(1, users=count, groups=count)

    assert len(set(state.names("profiles"))) == count
    assert len(set(state.names("groups"))) == count


def test_twenty_thousand_users_exceed_ten_megabytes() -> None:
    state = generate(1, users=20_000, groups=50)

    assert len(state.names("profiles")) == 20_000
    assert len(state.document("profiles").encode()) > 10 * 1024 * 1024


def test_twice_the_users_are_twice_the_work() -> None:
    assert_linear(lambda users: generate(1, users=users, groups=5), 300)


def test_two_machines_share_content_and_differ_in_every_machine_setting() -> None:
    first = generate(1, machine=Machine.named("first"))
    second = generate(1, machine=Machine.named("second"))

    assert first.document("groups") == second.document("groups")
    for paths in documents.MACHINE_SETTINGS.values():
        for path in paths:
            with first.lock, second.lock:
                one = documents.find(first.tree("settings"), documents.attribute_of(path)[0])
                other = documents.find(second.tree("settings"), documents.attribute_of(path)[0])
            assert one is not None
            assert other is not None
            if not path.endswith(("[SoapSecure]",)):
                assert documents.flatten(one) != documents.flatten(other), path


@pytest.mark.parametrize("section", SECTIONS)
def test_a_machine_can_lack_any_section(section: str) -> None:
    state = generate(1, machine=Machine.named("bare", absent=(section,)))

    for path in documents.MACHINE_SETTINGS[section]:
        assert state.setting(path) is None
    assert state.setting("general/maxConnections") is not None


def test_every_planted_secret_is_found_where_it_belongs() -> None:
    machine = Machine.named("m", license_key="KEY-7", admin_password="ADMIN-7", sync_password="SYNC-7")
    secrets = Secrets(password_hash="HASH-7", bind_password="BIND-7", captcha_private_key="CAPTCHA-7")
    snapshot = generate(1, machine=machine, secrets=secrets).snapshot()

    assert snapshot.documents["profiles"].count("HASH-7") == 50
    assert "BIND-7" in snapshot.documents["authentication"]
    assert snapshot.interfaces[0]["options"]["captchaPrivKey"] == "CAPTCHA-7"
    for secret in ("KEY-7", "SYNC-7", machine.secrets[-1]):
        assert secret in snapshot.documents["settings"]
    assert "ADMIN-7" not in str(snapshot.to_json())


def test_no_repr_shows_a_secret() -> None:
    machine, secrets = Machine.named("m"), Secrets()
    shown = repr((machine, secrets, generate(1, machine=machine, secrets=secrets).snapshot()))

    assert "m.files.example" in shown
    for secret in (*machine.secrets, *secrets):
        assert secret not in shown


def test_an_edition_without_directories_has_no_authentication_sources() -> None:
    snapshot = generate(1, edition="Standard").snapshot()

    assert snapshot.sources == []
    assert snapshot.documents["authentication"] == documents.empty("authentication")


def test_every_element_and_attribute_of_the_documents_is_qualified() -> None:
    snapshot = generate(1).snapshot()

    for text in snapshot.documents.values():
        for element in documents.parse(text).iter():
            assert element.tag.startswith(f"{{{COMMON}}}")
            assert all(str(name).startswith(f"{{{COMMON}}}") for name in element.attrib)


def test_line_ends_in_attributes_survive_being_read() -> None:
    state = generate(1, users=50)

    with state.lock:
        described = [user.get(documents.q("desc")) for user in state.tree("profiles")]
    assert "line one\nline two" in described
