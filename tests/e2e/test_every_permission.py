"""Each permission of the functions' roles, taken away for a moment: without it they no longer do all of their work.

The permissions are those of the deployed roles, so one that is added to the
template and that nothing here needs makes a test fail: either the work below
has to use it, or nobody needs it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any

import pytest

from common.runtime import SystemRuntime
from local.cloud import LocalCloud
from local.fleet import PRIMARY, Deployment, password_of, start_servers
from registry.credentials import SecretsManagerCredentials
from registry.fleet_records import Backup, Credentials, Primary, TlsTrust
from registry.run_records import Run
from tests.support.patience import eventually

SERVER, SECOND = "every-permission", "every-permission-2"

# The local cloud asks nobody for these: it writes logs itself, and has neither traces, network interfaces nor keys.
NOT_ENFORCED = ("logs:", "xray:", "ec2:", "kms:")

# Without it S3 says AccessDenied of an object that does not exist; nothing here asks for one.
ONLY_FOR_WHAT_IS_MISSING = {("SyncRole", "s3:ListBucket")}

# With these Lambda takes backups from the queue; the local cloud does so without asking.
BY_THE_SERVICE = {
    ("SyncRole", f"sqs:{operation}") for operation in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
}

Work = Callable[[], Iterator[str]]
"""Does all of it, and tells what does not work: each problem as soon as it is there."""


def _first_problem(work: Work) -> str:
    """Empty when all of it works; without one permission, the rest of the work shows nothing more."""
    return next(work(), "")


@pytest.fixture(scope="module")
def deployment(cloud: LocalCloud) -> Iterator[Deployment]:
    with ExitStack() as stack:
        servers = start_servers(stack, (SERVER, SECOND), users=5, groups=2)
        deployed = Deployment(cloud, "every-permission", servers, SyncEnabled="false", FanOutAbove="1")
        api = cloud.management_api(deployed.outputs)
        answer = api.call("PUT", "/primary", _registration(deployed, PRIMARY))
        assert answer.status == 200, answer
        yield deployed


def _registration(deployment: Deployment, name: str) -> dict[str, Any]:
    server = deployment.servers.primary if name == PRIMARY else deployment.servers.backups[name]
    return {
        "host": server.host,
        "port": server.port,
        "username": server.user,
        "password": password_of(name),
        "tls": {"mode": "pins", "fingerprints": [server.fingerprint]},
    }


def _emptied(deployment: Deployment) -> None:
    for backup in deployment.store.backups():
        deployment.store.delete_backup(backup.id)
    lease = deployment.store.lease()
    if lease:
        deployment.store.release_lease(lease.owner)
    server = deployment.servers.primary
    deployment.store.save_primary(Primary(server.host, server.port, TlsTrust(pins=(server.fingerprint,))))


def _finished(deployment: Deployment, run_id: str) -> Run:
    """The run when it has come to its end."""

    def ended() -> bool:
        run = deployment.store.run(run_id)
        return run is not None and run.finished_at is not None

    eventually(ended)
    run = deployment.store.run(run_id)
    assert run is not None
    return run


_numbers = count()


@pytest.fixture(scope="module")
def sync(deployment: Deployment) -> Work:
    """A run that keeps what was there, writes, records and gives the lease back; a restore; a run that is queued."""
    secrets = SecretsManagerCredentials(
        deployment.outputs["SecretPrefix"], deployment.cloud.client("secretsmanager"), SystemRuntime(), max_age=0
    )

    def register(server_name: str) -> str:
        server = deployment.servers.backups[server_name]
        name = f"run-{next(_numbers)}"  # a new one, whose credentials no running function knows
        secrets.put(name, Credentials(server.user, password_of(server_name)))
        deployment.store.add_backup(Backup(name, server.host, server.port, TlsTrust(pins=(server.fingerprint,))))
        server.drift("set_mime", extension="pdf", kind=f"text/{name}")
        return name

    def queued() -> Iterator[str]:
        """A fleet of two, which is more than this stack serves in one invocation."""
        register(SECOND)
        answer = deployment.invoke({"action": "sync"})
        if "run_id" not in answer:
            yield str(answer)[:300]
            return
        done = _finished(deployment, answer["run_id"])
        if done.status != "succeeded":
            yield f"of the queue: {done.status} {done.message}"

    def work() -> Iterator[str]:
        _emptied(deployment)
        name = register(SERVER)
        answer = deployment.invoke({"action": "sync"})
        if answer.get("status") != "succeeded":
            yield str(answer)[:300]
        result = deployment.store.status(name)
        if not (result and result.snapshot and result.verified_at):
            yield "no verified result"
        answer = deployment.invoke({"action": "restore", "snapshot": result.snapshot if result else ""})
        if answer.get("counts", {}).get("restored") != 1:
            yield str(answer)[:300]
        if deployment.store.lease():
            yield "the lease was not given back"
        yield from queued()

    return work


@pytest.fixture(scope="module")
def admin_api(deployment: Deployment, sync: Work) -> Work:
    """A session of an administrator that has everything done that the API can have done to the account."""
    api = deployment.cloud.management_api(deployment.outputs)
    secrets = deployment.cloud.client("secretsmanager")
    backup = _registration(deployment, SERVER)
    assert _first_problem(sync) == ""  # so that there is a state of the primary
    (state, *_) = deployment.store.states(limit=1)

    def failed(method: str, path: str, body: object = None) -> Iterator[str]:
        reply = api.call(method, path, body)
        if reply.status >= 300 or (path.endswith("/check") and not reply.body["passed"]):
            yield f"{method} {path}: {reply.status} {str(reply.body)[:300]}"

    def run() -> Iterator[str]:
        reply = api.call("POST", "/sync-runs", {"dry_run": True})
        if reply.status == 202:
            _finished(deployment, reply.body["id"])
        else:
            yield f"POST /sync-runs: {reply.status}"

    primary = deployment.store.primary()
    assert primary

    def work() -> Iterator[str]:
        _emptied(deployment)
        deployment.store.save_primary(primary)  # whatever a promotion that failed has left
        name = f"backup-{next(_numbers)}"
        settings = api.call("GET", "/sync-settings").body
        interval = {10: 30, 30: 10}.get(settings.get("interval_minutes"), 30)  # a change in any case
        yield from failed("POST", "/backups", {"id": name, **backup})
        yield from failed("GET", "/backups")
        yield from failed("GET", f"/backups/{name}/snapshots")
        yield from failed("GET", f"/primary/states/{state.digest}/diff")
        yield from failed("POST", f"/backups/{name}/check")
        yield from failed("POST", "/primary/promote", {"backup_id": name, "former_id": f"{name}-old", "force": True})
        yield from failed("POST", "/primary/promote", {"backup_id": f"{name}-old", "force": True})
        yield from failed("PATCH", f"/backups/{name}", {"password": backup["password"]})
        yield from failed("PUT", "/sync-settings", {**settings, "enabled": False, "interval_minutes": interval})
        yield from run()
        yield from failed("DELETE", f"/backups/{name}")
        if "DeletedDate" not in _described(secrets, deployment, name):
            yield "its secret is still there"
        yield from failed("POST", "/backups", {"id": name, **backup})
        yield from failed(
            "POST", "/primary/promote", {"backup_id": name, "former_id": f"former-of-{name}", "force": True}
        )

    return work


def _described(secrets: Any, deployment: Deployment, name: str) -> dict[str, Any]:
    try:
        return dict(secrets.describe_secret(SecretId=f"{deployment.outputs['SecretPrefix']}/{name}"))
    except secrets.exceptions.ResourceNotFoundException:
        return {}


class Role:
    """A deployed role and its inline policies."""

    def __init__(self, cloud: LocalCloud, stack: str, logical_id: str) -> None:
        resource = cloud.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
        self._iam = cloud.client("iam")
        self._name = resource["StackResourceDetail"]["PhysicalResourceId"]
        names = self._iam.list_role_policies(RoleName=self._name)["PolicyNames"]
        self._policies = {name: self._document(name) for name in names}

    def _document(self, name: str) -> dict[str, Any]:
        document = self._iam.get_role_policy(RoleName=self._name, PolicyName=name)["PolicyDocument"]
        return dict(json.loads(document) if isinstance(document, str) else document)

    @property
    def actions(self) -> list[str]:
        statements = [one for document in self._policies.values() for one in document["Statement"]]
        actions = {action for statement in statements for action in _listed(statement["Action"])}
        return sorted(action for action in actions if not action.endswith("Batch"))

    @contextmanager
    def without(self, action: str) -> Iterator[None]:
        """The role without this action, in every statement."""
        for name, document in self._policies.items():
            left = [_without(statement, action) for statement in document["Statement"]]
            self._put(name, {**document, "Statement": [statement for statement in left if statement["Action"]]})
        try:
            yield
        finally:
            for name, document in self._policies.items():
                self._put(name, document)

    def _put(self, name: str, document: dict[str, Any]) -> None:
        if document["Statement"]:
            self._iam.put_role_policy(RoleName=self._name, PolicyName=name, PolicyDocument=json.dumps(document))
        else:
            self._iam.delete_role_policy(RoleName=self._name, PolicyName=name)


def _listed(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else actions


def _without(statement: dict[str, Any], action: str) -> dict[str, Any]:
    # A batch is not a right of its own in AWS; the local cloud has made it one.
    gone = (action, f"{action}Batch")
    return {**statement, "Action": [one for one in _listed(statement["Action"]) if one not in gone]}


@pytest.mark.parametrize(("logical_id", "fixture"), [("SyncRole", "sync"), ("AdminApiRole", "admin_api")])
def test_without_any_one_permission_the_work_is_not_done(
    cloud: LocalCloud, deployment: Deployment, request: pytest.FixtureRequest, logical_id: str, fixture: str
) -> None:
    work: Work = request.getfixturevalue(fixture)
    role = Role(cloud, "every-permission", logical_id)
    enforced = [action for action in role.actions if not action.startswith(NOT_ENFORCED)]
    assert len(enforced) > 5
    assert _first_problem(work) == ""
    unneeded = set()
    for action in enforced:
        with role.without(action):
            if not _first_problem(work):
                unneeded.add((logical_id, action))
    assert _first_problem(work) == "", "with all of them it works again"
    assert unneeded == {one for one in ONLY_FOR_WHAT_IS_MISSING | BY_THE_SERVICE if one[0] == logical_id}
