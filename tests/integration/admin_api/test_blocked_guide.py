"""The commands that docs/api.md has for a blocked backup, typed as they stand there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.cerberus import LocalServer
from local.events import PLAN, seed
from registry.fleet_records import Credentials


def _log_in(running: LocalServer) -> Credentials:
    return Credentials(running.state.machine.admin_user, running.state.machine.admin_password)


def test_every_command_for_a_blocked_backup_is_accepted(
    gateway: Any, server: Callable[..., LocalServer], type_guide: Callable[[str, str], Any], tmp_path: Path
) -> None:
    with server("primary") as primary, server("ftp2") as backup, gateway.listening() as address:
        seed(
            gateway.store,
            gateway.credentials,
            (primary, _log_in(primary)),
            (backup, _log_in(backup)),
            gateway.snapshots,
        )
        done = type_guide("When a backup is blocked", address)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Plan for ftp2" in done.stdout
    for run, is_dry in zip(gateway.starter.events, (True, False), strict=True):
        assert (run["backups"], run["dry_run"], f"followed {run['run_id']}" in done.stdout) == (["ftp2"], is_dry, True)
    assert gateway.store.backup("ftp2").rules[-1] == "/settings/log/directory"
    assert gateway.store.approval("ftp2").plan_hash == PLAN
    assert '"paused":"The user list' in (tmp_path / "paused.json").read_text().replace('": ', '":')
    assert gateway.store.backup("ftp2").paused == ""
    stored = gateway.store.settings()
    assert (stored.limits.removal_share, stored.limits.disabling_share) == (0.02, 0.1)
    assert (stored.block_widened_access, stored.approval_by_another) == (True, True)
