"""Who may send which password where, and how often it is tried."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Failure, Reason
from fleet.log_ins import LogIns
from local.fakes.aws_services import MemoryCredentials, RotatedCredentials
from local.fakes.runtime import FakeRuntime
from local.fakes.store import MemoryStore
from registry.fleet_records import Backup, Credentials, Primary, TlsTrust, destination_of

SERVER = Backup("b1", "b.example", 8443)
PIN, NEXT_PIN = "ab" * 32, "cd" * 32


@pytest.fixture
def log_ins() -> LogIns:
    return LogIns(MemoryStore(), MemoryCredentials(), FakeRuntime())


def refused(act: Callable[[], object]) -> Reason:
    with pytest.raises(Failure) as caught:
        act()
    assert "PLANTED" not in str(caught.value)
    return caught.value.reason


def refuse(_: Credentials) -> None:
    raise Failure(Reason.AUTHENTICATION_FAILED, "refused")


class TestDestinations:
    @pytest.mark.parametrize(
        "other",
        [
            replace(SERVER, host="B.Example"),
            replace(SERVER, host="b.example."),
            replace(SERVER, id="b2", enabled=False, tags={"a": "b"}, registration="another"),
            Primary("b.example", 8443),
        ],
    )
    def test_what_does_not_say_which_server_it_is_makes_no_other_destination(self, other: Backup | Primary) -> None:
        assert destination_of(other) == destination_of(SERVER)

    def test_neither_does_how_a_trust_is_spelled(self) -> None:
        one = TlsTrust(pins=(PIN, NEXT_PIN))
        other = TlsTrust(pins=(NEXT_PIN.upper(), ":".join(PIN[i : i + 2] for i in range(0, 64, 2))))
        assert destination_of(replace(SERVER, trust=one)) == destination_of(replace(SERVER, trust=other))
        unix, windows = TlsTrust("A\nB\n"), TlsTrust("A\r\nB")
        assert destination_of(replace(SERVER, trust=unix)) == destination_of(replace(SERVER, trust=windows))

    @given(where=st.integers(0, 60), space=st.sampled_from(["\n", " ", "\t", "\r", "\v", "\n\n", "\r\n"]))
    def test_white_space_in_a_bundle_makes_another_one(self, where: int, space: str) -> None:
        bundle = "# withdrawn: -----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        other = bundle[:where] + space + bundle[where:]
        destinations = {destination_of(replace(SERVER, trust=TlsTrust(text))) for text in (bundle, other)}
        is_spelling = other.replace("\r\n", "\n") == bundle  # a line break in Windows' way
        assert len(destinations) == (1 if is_spelling else 2)

    def test_every_other_host_port_or_trust_is_another_destination(self) -> None:
        trusts = (
            TlsTrust(),
            TlsTrust(pins=(PIN,)),
            TlsTrust(pins=(NEXT_PIN,)),
            TlsTrust(pins=(PIN, NEXT_PIN)),
            TlsTrust("A"),
            TlsTrust("B"),
        )
        servers = [
            Backup("b1", host, port, trust)
            for host in ("b.example", "c.example", "127.0.0.1")
            for port in (443, 8443)
            for trust in trusts
        ]
        assert len({destination_of(server) for server in servers}) == len(servers)


class TestWhereAPasswordGoes:
    def test_one_that_says_what_it_is_for_goes_nowhere_else(self, log_ins: LogIns) -> None:
        log_ins.credentials.put("b1", Credentials("admin", "PLANTED", destination_of(SERVER)))
        assert log_ins.permitted(SERVER).password == "PLANTED"
        moved = replace(SERVER, host="c.example")
        assert refused(lambda: log_ins.permitted(moved)) is Reason.PASSWORD_NEEDED
        assert refused(lambda: log_ins.permitted(moved, asked_for=True)) is Reason.PASSWORD_NEEDED

    def test_one_that_does_not_is_for_where_it_went_first(self, log_ins: LogIns) -> None:
        log_ins.credentials.put("b1", Credentials("admin", "PLANTED"))
        assert log_ins.permitted(SERVER).destination == destination_of(SERVER)
        moved = replace(SERVER, trust=TlsTrust(pins=(PIN,)))
        assert refused(lambda: log_ins.permitted(moved)) is Reason.PASSWORD_NEEDED
        assert log_ins.permitted(SERVER).password == "PLANTED"

    def test_it_may_be_bound_before_it_went_anywhere(self, log_ins: LogIns) -> None:
        log_ins.credentials.put("b1", Credentials("admin", "PLANTED"))
        log_ins.bind(SERVER)
        assert refused(lambda: log_ins.permitted(replace(SERVER, port=1))) is Reason.PASSWORD_NEEDED
        log_ins.bind(replace(SERVER, port=1))
        assert refused(lambda: log_ins.permitted(replace(SERVER, port=1))) is Reason.PASSWORD_NEEDED

    def test_stored_again_by_hand_it_is_for_where_the_server_is_by_then(self, log_ins: LogIns) -> None:
        log_ins.credentials.put("b1", Credentials("admin", "PLANTED"))
        log_ins.permitted(SERVER)
        log_ins.credentials.put("b1", Credentials("admin", "PLANTED"))
        assert log_ins.permitted(replace(SERVER, port=1)).password == "PLANTED"
        assert refused(lambda: log_ins.permitted(SERVER)) is Reason.PASSWORD_NEEDED

    def test_where_there_is_none_nothing_is_bound(self, log_ins: LogIns) -> None:
        log_ins.bind(SERVER)
        assert refused(lambda: log_ins.permitted(SERVER)) is Reason.CREDENTIALS_MISSING
        assert log_ins.store.log_in("b1") is None


class Cached(MemoryCredentials):
    """What one process sees of a store: it remembers what it has read."""

    def __init__(self, behind: MemoryCredentials) -> None:
        super().__init__()
        self._behind = behind
        self._read: dict[str, Credentials] = {}

    def get(self, secret_id: str, destination: str, *, fresh: bool = False) -> Credentials:
        if fresh or secret_id not in self._read:
            self._read[secret_id] = self._behind.get(secret_id, destination)
        return self._read[secret_id]


class TestSeveralProcesses:
    """Each has read the secret at a time of its own, and goes on with that for minutes."""

    @given(
        steps=st.lists(st.sampled_from([*range(4), "right by hand", "wrong by hand", "right", "wrong"]), max_size=14),
        is_marked=st.booleans(),
    )
    def test_no_version_of_a_log_in_is_refused_twice(self, steps: list[int | str], *, is_marked: bool) -> None:
        shared, store, marked = MemoryCredentials(), MemoryStore(), destination_of(SERVER)
        shared.put("b1", Credentials("admin", "right-0", marked if is_marked else ""))
        processes = [LogIns(store, Cached(shared), FakeRuntime()) for _ in range(4)]
        refusals: list[str] = []
        wanted = "right-0"

        def attempt(credentials: Credentials) -> None:
            if credentials.password != wanted:
                refusals.append(credentials.version)
                refuse(credentials)

        for number, step in enumerate(steps):
            if isinstance(step, int):
                with suppress(Failure):
                    processes[step].use(SERVER, attempt)
                continue
            wanted = f"right-{number}"  # the server's own password is another one from now on
            password = wanted if step.startswith("right") else f"wrong-{number}"
            shared.put("b1", Credentials("admin", password, "" if step.endswith("by hand") else marked))
        assert len(refusals) == len(set(refusals))

    def test_what_one_has_read_before_binds_nothing_elsewhere(self) -> None:
        shared, store = MemoryCredentials(), MemoryStore()
        shared.put("b1", Credentials("admin", "PLANTED"))
        late, early = (LogIns(store, Cached(shared), FakeRuntime()) for _ in range(2))
        late.permitted(SERVER)
        shared.put("b1", Credentials("admin", "PLANTED-2"))
        early.permitted(SERVER)
        late.permitted(SERVER)
        elsewhere = LogIns(store, Cached(shared), FakeRuntime())
        assert refused(lambda: elsewhere.permitted(replace(SERVER, host="c.example"))) is Reason.PASSWORD_NEEDED


class TestRefusals:
    def test_a_refused_log_in_is_not_tried_again_until_the_secret_changes(self, log_ins: LogIns) -> None:
        log_ins.credentials.put("b1", Credentials("admin", "PLANTED", destination_of(SERVER)))
        tried: list[Credentials] = []

        def attempt(credentials: Credentials) -> None:
            tried.append(credentials)
            refuse(credentials)

        for _ in range(3):
            assert refused(lambda: log_ins.use(SERVER, attempt)) is Reason.AUTHENTICATION_FAILED
        assert len(tried) == 1
        log_ins.credentials.put("b1", Credentials("admin", "PLANTED-2", destination_of(SERVER)))
        for _ in range(3):
            assert refused(lambda: log_ins.use(SERVER, attempt)) is Reason.AUTHENTICATION_FAILED
        assert len(tried) == 2

    def test_whoever_asks_for_it_makes_one_attempt(self, log_ins: LogIns) -> None:
        log_ins.credentials.put("b1", Credentials("admin", "PLANTED", destination_of(SERVER)))
        assert refused(lambda: log_ins.use(SERVER, refuse)) is Reason.AUTHENTICATION_FAILED
        credentials = log_ins.permitted(SERVER, asked_for=True)
        assert refused(lambda: log_ins.ask_once(SERVER, credentials, refuse)) is Reason.AUTHENTICATION_FAILED
        assert refused(lambda: log_ins.permitted(SERVER)) is Reason.AUTHENTICATION_FAILED
        assert log_ins.ask_once(SERVER, credentials, lambda used: used.username) == "admin"
        assert log_ins.use(SERVER, lambda used: used.username) == "admin"

    def test_an_attempt_that_did_not_get_as_far_changes_nothing(self, log_ins: LogIns) -> None:
        log_ins.credentials.put("b1", Credentials("admin", "PLANTED", destination_of(SERVER)))
        refused(lambda: log_ins.use(SERVER, refuse))

        def fail(_: Credentials) -> None:
            raise Failure(Reason.CONNECTION_REFUSED, "nobody is there")

        credentials = log_ins.permitted(SERVER, asked_for=True)
        assert refused(lambda: log_ins.ask_once(SERVER, credentials, fail)) is Reason.CONNECTION_REFUSED
        assert refused(lambda: log_ins.permitted(SERVER)) is Reason.AUTHENTICATION_FAILED

    @pytest.mark.parametrize(
        ("cached", "current", "right", "tried"),
        [
            ("a", "a", "a", ["a"]),  # right at once
            ("a", "b", "b", ["a", "b"]),  # changed meanwhile
            ("a", "a", "x", ["a"]),  # wrong and unchanged: not twice
            ("a", "b", "x", ["a", "b"]),  # changed to another wrong one: not again
        ],
    )
    def test_each_credentials_are_tried_once(self, cached: str, current: str, right: str, tried: list[str]) -> None:
        secrets = RotatedCredentials(cached, current)
        used: list[str] = []

        def use(credentials: Credentials) -> bool:
            used.append(credentials.username)
            return credentials.username == right

        log_ins = LogIns(MemoryStore(), secrets, FakeRuntime())
        assert log_ins.use(SERVER, use, lambda accepted: not accepted) is (right in tried)
        assert used == tried
        assert secrets.asked == ([False] if cached == right else [False, True])


def test_who_makes_one_attempt_only_makes_it_with_what_is_stored_now() -> None:
    secrets = RotatedCredentials()
    log_ins = LogIns(MemoryStore(), secrets, FakeRuntime())
    assert log_ins.permitted(SERVER).username == "old"
    assert log_ins.permitted(SERVER, fresh=True).username == "new"
