"""``cerbsync apply`` and ``export`` against the management API's own code."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cerbsync import deployed, fleet_file
from cerbsync.changes import changes_of, hash_of
from cerbsync.yaml_text import dumped
from local.fakes.management_api import ApiWorld
from tests.support.command_line import CommandLine, InProcess

PLANTED = "PLANTED-password"
PASSWORDS = {"CERBSYNC_PASSWORD": PLANTED}
PIN = "ab" * 32
FLEET = f"""\
version: 1
primary:
  host: ftp1.example
  port: 8443
  username: admin
  pins: [{PIN}]
backups:
  ftp2:
    host: ftp2.example
    port: 8443
    username: admin
    pins: [{PIN}]
    keep: [/settings/log/directory]
    tags: {{site: Vienna}}
  ftp3:
    host: ftp3.example
    port: 9443
    username: root
schedule:
  interval_minutes: 30
limits:
  removal_floor: 5
"""


def write(text: str = FLEET) -> None:
    Path("fleet.yaml").write_text(text, "utf-8")


def whole_hash(ended: Any) -> str:
    return str(ended.document["hash"])


def applied(cerbsync: CommandLine, *more: str) -> Any:
    shown = cerbsync("apply", "--dry-run", "--json", *more)
    return cerbsync("apply", "--yes", whole_hash(shown), *more, environment=PASSWORDS)


def test_what_the_file_wishes_is_registered_and_then_nothing_differs(cerbsync: CommandLine, world: ApiWorld) -> None:
    write()
    assert applied(cerbsync).status == 3  # registered; no server of this world answers
    backup = world.store.backup("ftp2")
    assert backup is not None
    assert (backup.host, backup.rules, backup.tags) == (
        "ftp2.example",
        ("/settings/log/directory",),
        {"site": "Vienna"},
    )
    assert world.log_in("ftp3").username == "root"
    assert world.log_in("ftp3").password == PLANTED
    assert world.schedule.read().interval_minutes == 30
    again = cerbsync("apply")
    assert (again.status, again.out) == (0, "No changes: the stack is as the file says.\n")


def test_a_dry_run_changes_nothing_and_tells_it_by_the_exit_status(cerbsync: CommandLine, world: ApiWorld) -> None:
    write()
    assert cerbsync("apply", "--dry-run").status == 0
    assert cerbsync("apply", "--dry-run", "--exit-code").status == 6
    assert not world.store.backups()
    assert world.store.primary() is None


def test_a_changed_line_is_one_change_that_names_both_values(cerbsync: CommandLine) -> None:
    write()
    applied(cerbsync)
    write(FLEET.replace("Vienna", "Graz").replace("interval_minutes: 30", "interval_minutes: 45"))
    shown = cerbsync("apply", "--dry-run")
    assert "~ change ftp2\n    tags: site=Vienna -> site=Graz\n" in shown.out
    assert "~ change settings\n    interval_minutes: 30 -> 45\n" in shown.out
    assert "ftp3" not in shown.out


def test_a_change_that_needs_no_password_asks_for_none(cerbsync: CommandLine) -> None:
    write()
    applied(cerbsync)
    write(FLEET.replace("Vienna", "Graz"))
    shown = cerbsync("apply", "--dry-run", "--json")
    assert cerbsync("apply", "--yes", whole_hash(shown)).status == 0


def test_another_destination_asks_for_the_password_again(cerbsync: CommandLine, world: ApiWorld) -> None:
    write()
    applied(cerbsync)
    write(FLEET.replace("ftp2.example", "ftp9.example"))
    shown = cerbsync("apply", "--dry-run", "--json")
    refused = cerbsync("apply", "--yes", whole_hash(shown))
    assert (refused.status, "CERBSYNC_PASSWORD_FTP2" in refused.err) == (2, True)
    assert (
        cerbsync("apply", "--yes", whole_hash(shown), environment={"CERBSYNC_PASSWORD_FTP2": "PLANTED-2"}).status == 0
    )
    assert world.log_in("ftp2").password == "PLANTED-2"


def test_a_hash_of_other_changes_does_nothing(cerbsync: CommandLine, world: ApiWorld) -> None:
    write()
    shown = cerbsync("apply", "--dry-run", "--json")
    write(FLEET.replace("ftp3.example", "elsewhere.example"))
    refused = cerbsync("apply", "--yes", whole_hash(shown), environment=PASSWORDS)
    assert (refused.status, "something has changed" in refused.err) == (7, True)
    assert not world.store.backups()


@pytest.mark.parametrize("short", ["", "ab", "0" * 64])
def test_a_hash_that_is_too_short_or_another_one_confirms_nothing(
    cerbsync: CommandLine, world: ApiWorld, short: str
) -> None:
    write()
    assert cerbsync("apply", "--yes", short, environment=PASSWORDS).status == 7
    assert not world.store.backups()


def test_a_person_confirms_and_types_the_passwords(cerbsync: CommandLine, world: ApiWorld) -> None:
    write()
    ended = cerbsync("apply", typed=f"y\n{PLANTED}-1\n{PLANTED}-2\n{PLANTED}-3\n")
    assert ended.status == 3
    assert world.log_in("ftp2").password == f"{PLANTED}-2"
    assert PLANTED not in ended.out + ended.err


@pytest.mark.parametrize("answer", ["n\n", "\n", "maybe\n", ""])
def test_anything_but_a_yes_does_nothing(cerbsync: CommandLine, world: ApiWorld, answer: str) -> None:
    write()
    assert cerbsync("apply", typed=answer).status == 7
    assert not world.store.backups()


def test_a_backup_that_is_not_listed_is_left_alone_and_removed_by_prune(cerbsync: CommandLine, world: ApiWorld) -> None:
    write()
    applied(cerbsync)
    write(FLEET[: FLEET.index("  ftp3:")] + FLEET[FLEET.index("schedule:") :])
    ended = cerbsync("apply")
    assert (ended.status, "left alone: ftp3" in ended.err) == (0, True)
    assert applied(cerbsync, "--prune").status == 0
    assert [backup.id for backup in world.store.backups()] == ["ftp2"]


@pytest.mark.parametrize("lost", range(1, 5))
def test_an_interrupted_apply_is_finished_by_the_next_one(cerbsync: CommandLine, world: ApiWorld, lost: int) -> None:
    write()
    shown = cerbsync("apply", "--dry-run", "--json")
    cerbsync.adapter = Failing(world, after=lost)
    broken = cerbsync("apply", "--yes", whole_hash(shown), environment=PASSWORDS)
    assert (broken.status, "Error" in broken.err) == (1, True)
    cerbsync.adapter = InProcess(world)
    applied(cerbsync)
    assert cerbsync("apply").out == "No changes: the stack is as the file says.\n"


class Failing(InProcess):
    """The reply to one of the requests that change something is lost, after its work was done."""

    def __init__(self, world: ApiWorld, after: int) -> None:
        super().__init__(world)
        self.left = after

    def send(self, request: Any, *more: Any, **options: Any) -> Any:
        reply = super().send(request, *more, **options)
        if request.method in ("PUT", "PATCH", "DELETE") or (
            request.method == "POST" and not request.url.endswith("/check")
        ):
            self.left -= 1
            if self.left == 0:
                reply.status_code, reply.raw = (
                    504,
                    __import__("io").BytesIO(b'{"message": "Endpoint request timed out"}'),
                )
        return reply


def test_what_is_exported_differs_in_nothing(cerbsync: CommandLine) -> None:
    write()
    applied(cerbsync)
    assert cerbsync("export", "--file", "exported.yaml").status == 0
    assert cerbsync("apply", "--file", "exported.yaml").out == "No changes: the stack is as the file says.\n"
    assert PLANTED not in Path("exported.yaml").read_text("utf-8")


def test_an_existing_file_is_not_replaced_by_accident(cerbsync: CommandLine) -> None:
    write()
    applied(cerbsync)
    refused = cerbsync("export", "--file", "fleet.yaml")
    assert (refused.status, "--force" in refused.err) == (2, True)
    assert Path("fleet.yaml").read_text("utf-8") == FLEET
    assert cerbsync("export", "--file", "fleet.yaml", "--force").status == 0


# ---------------------------------------------------------------- properties

_words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=20)
_hosts = st.from_regex(r"\A[a-z][a-z0-9]{0,8}(\.[a-z]{2,8}){1,2}\Z")
_trusts: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), st.fixed_dictionaries({"pins": st.lists(st.from_regex(r"\A[0-9a-f]{64}\Z"), min_size=1, max_size=2)})
)
_servers = st.builds(
    lambda host, port, username, trust: {"host": host, "port": port, "username": username, **trust},
    _hosts,
    st.integers(1, 65535),
    st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9 ._@-]{0,19}\Z"),
    _trusts,
)
_backups = st.builds(
    lambda server, more: {**server, **more},
    _servers,
    st.fixed_dictionaries(
        {},
        optional={
            "enabled": st.booleans(),
            "report_only": st.booleans(),
            "parts": st.lists(st.sampled_from(fleet_file.PARTS), min_size=1, unique=True),
            "keep": st.lists(st.sampled_from(["*logo*", "/settings/log/*", "!/settings/general/name"]), unique=True),
            "tags": st.dictionaries(st.from_regex(r"\A[A-Za-z0-9_.:/=+@-]{1,12}\Z"), _words, max_size=3),
        },
    ),
)
_fleets = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "primary": _servers,
        "backups": st.dictionaries(
            st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,12}\Z").filter(lambda name: name != "primary"), _backups, max_size=4
        ),
    },
    optional={
        "schedule": st.fixed_dictionaries(
            {},
            optional={
                "enabled": st.booleans(),
                "interval_minutes": st.integers(1, 1440),
                "on_change_polling": st.booleans(),
            },
        ),
        "approvals": st.fixed_dictionaries(
            {}, optional={"approval_by_another": st.booleans(), "approval_hours": st.integers(1, 720)}
        ),
        "connection": st.fixed_dictionaries(
            {}, optional={"read_timeout": st.integers(1, 600), "reply_limit_mb": st.integers(1, 1024)}
        ),
        "limits": st.fixed_dictionaries(
            {}, optional={"removal_floor": st.integers(0, 99), "removal_share": st.sampled_from([0, 0.1, 0.25, 1])}
        ),
        "keep": st.lists(st.sampled_from(["*logo*", "/settings/log/*"]), unique=True),
        "parts": st.lists(st.sampled_from(fleet_file.PARTS), min_size=1, unique=True),
        "replicate_auto_block_list": st.booleans(),
    },
)


@given(document=_fleets)
@settings(max_examples=25)
def test_any_fleet_is_applied_once_exported_and_then_nothing_differs(document: dict[str, Any]) -> None:
    places = [(server["host"], server["port"]) for server in (document["primary"], *document["backups"].values())]
    if len(set(places)) < len(places):
        return
    world = ApiWorld()
    with world.running():
        api = _api_of(world)
        wanted = fleet_file.parse(dumped(document), Path("fleet.yaml"))
        for change in changes_of(wanted, deployed.read(api), prune=True):
            body = {**change.body, "password": PLANTED} if change.asks else change.body
            api._call(change.method, change.path, body=body, version=change.version)
        present = deployed.read(api)
        assert changes_of(wanted, present, prune=True) == []
        exported = dumped(deployed.as_file(present))
        assert changes_of(fleet_file.parse(exported, Path("fleet.yaml")), present, prune=True) == []
        assert PLANTED not in exported


def _api_of(world: ApiWorld) -> Any:
    import requests

    from cerbsync.api import Api
    from tests.support.command_line import URL, Unsigned

    session = requests.Session()
    session.mount("https://", InProcess(world))
    return Api(URL, Unsigned(), session)


@given(document=_fleets)
def test_any_fleet_is_read_back_as_it_was_written(document: dict[str, Any]) -> None:
    text = dumped(document)
    assert yaml.safe_load(text)["version"] == 1
    read = fleet_file.parse(text, Path("fleet.yaml"))
    assert fleet_file.parse(dumped(read.model_dump(exclude_unset=True)), Path("fleet.yaml")) == read


@given(document=_fleets, other=_fleets)
def test_the_hash_tells_two_wishes_apart(document: dict[str, Any], other: dict[str, Any]) -> None:
    present = deployed.Deployed(None, {}, {"limits": dict.fromkeys(fleet_file.Limits.model_fields, -1)})
    first, second = (
        changes_of(fleet_file.Fleet.model_validate({**one, "backups": {}}), present, prune=False)
        for one in (document, other)
    )
    assert (hash_of(first) == hash_of(second)) == (
        [(change.verb, change.server, change.fields) for change in first]
        == [(change.verb, change.server, change.fields) for change in second]
    )
