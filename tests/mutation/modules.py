"""The modules that decide, and the tests that have to notice when one of them decides otherwise.

A mutant is tried only with those tests of its module that reach the changed function. Tests that start processes are
left out where faster ones hold the same.
"""

from collections.abc import Mapping

_REPLICATION = "tests/unit/replication"
_DOCUMENTS = "tests/unit/replication/documents"
_GUARDS = "tests/unit/replication/guards"
_SYNC = "tests/unit/sync"
_API = "tests/unit/admin_api"
_CERBERUS = "tests/unit/cerberus"

_ACCESS = (_GUARDS,)
_PLAN = (
    f"{_REPLICATION}/test_plan_is_done.py",
    f"{_REPLICATION}/test_replicate.py",
    f"{_REPLICATION}/test_apply.py",
    f"{_REPLICATION}/test_restore.py",
    f"{_REPLICATION}/test_verified.py",
    f"{_REPLICATION}/test_unread_parts.py",
    f"{_REPLICATION}/test_kept_differences.py",
    f"{_REPLICATION}/test_settings_write.py",
    f"{_REPLICATION}/test_plan_text.py",
)
_STORE = (
    "tests/unit/registry",
    f"{_SYNC}/test_status_of_a_backup.py",
    f"{_SYNC}/test_dead_runs.py",
    f"{_SYNC}/test_run.py",
    f"{_SYNC}/test_fan_out.py",
    f"{_SYNC}/test_approved_pushes.py",
)

MODULES: Mapping[str, tuple[str, ...]] = {
    "registry/store_rules.py": (
        *_STORE,
        f"{_SYNC}/test_promotion_hold.py",
        f"{_API}/test_settings_and_runs_api.py",
        f"{_API}/test_primary_api.py",
        "tests/integration/registry/test_store_behaviour.py",
    ),
    "registry/claims.py": (*_STORE, f"{_SYNC}/test_queued_runs.py", "tests/integration/registry/test_open_backups.py"),
    "registry/recorded_results.py": (*_STORE, "tests/integration/registry/test_store_behaviour.py"),
    "fleet/approvals.py": (
        f"{_SYNC}/test_approved_pushes.py",
        f"{_API}/test_two_people.py",
        f"{_API}/test_backups_api.py",
    ),
    "fleet/primary.py": (
        f"{_SYNC}/test_promotion_hold.py",
        f"{_SYNC}/test_accepted_primary.py",
        f"{_API}/test_primary_api.py",
        "tests/unit/fleet",
    ),
    "fleet/restore_source.py": (f"{_API}/test_restore_api.py", f"{_SYNC}/test_former_snapshots.py"),
    "fleet/log_ins.py": ("tests/unit/fleet", f"{_SYNC}/test_run.py", f"{_API}/test_where_passwords_go.py"),
    "admin_api/promotion.py": (f"{_API}/test_primary_api.py", "tests/integration/admin_api/test_primary_lost.py"),
    "admin_api/approvals.py": (
        f"{_API}/test_backups_api.py",
        f"{_API}/test_two_people.py",
        f"{_API}/test_rights_to_approve.py",
    ),
    "sync/push_conditions.py": (
        f"{_SYNC}/test_approved_pushes.py",
        f"{_SYNC}/test_moving_fleet.py",
        f"{_SYNC}/test_plan_binding.py",
        f"{_SYNC}/test_pause.py",
        f"{_SYNC}/test_pause_by_a_restore.py",
        f"{_SYNC}/test_target_of_a_push.py",
    ),
    "sync/deadly_backups.py": (f"{_SYNC}/test_deadly_backups.py",),
    "replication/settings_write.py": (f"{_REPLICATION}/test_settings_write.py", f"{_REPLICATION}/test_apply.py"),
    "replication/apply.py": _PLAN,
    "replication/plan.py": _PLAN,
    "replication/replicate.py": _PLAN,
    "replication/guards/approval.py": (*_PLAN, _GUARDS),
    "replication/guards/limits.py": (f"{_GUARDS}/test_limits.py", f"{_GUARDS}/test_limits_generated.py"),
    "replication/guards/preflight.py": (_GUARDS, *_PLAN),
    "replication/guards/access_watch.py": _ACCESS,
    "replication/guards/access_judgement.py": _ACCESS,
    "replication/guards/access_groups.py": _ACCESS,
    "replication/guards/access_rights.py": _ACCESS,
    "replication/guards/access_scales.py": _ACCESS,
    "replication/documents/merge.py": (_DOCUMENTS,),
    "replication/documents/pairing.py": (_DOCUMENTS, f"{_REPLICATION}/test_ambiguous_entries.py"),
    "replication/documents/counterparts.py": (_DOCUMENTS, f"{_REPLICATION}/test_ambiguous_entries.py"),
    "replication/documents/keep_patterns.py": (_DOCUMENTS, f"{_REPLICATION}/test_kept_differences.py"),
    "replication/documents/server_additions.py": (_DOCUMENTS, f"{_REPLICATION}/test_apply.py"),
    "replication/documents/emptied.py": (_DOCUMENTS, f"{_GUARDS}/test_limits_generated.py"),
    "cerberus/address_policy.py": (f"{_CERBERUS}/test_address_policy.py", f"{_CERBERUS}/test_silent_names.py"),
    "cerberus/same_server.py": (f"{_CERBERUS}/test_same_server.py", f"{_CERBERUS}/test_names_that_answer_in_turn.py"),
    "cerberus/certificate.py": (f"{_CERBERUS}/test_certificate.py", f"{_CERBERUS}/test_tls.py"),
    "cerberus/tls.py": (f"{_CERBERUS}/test_tls.py", "tests/integration/cerberus/test_trust_in_use.py"),
    "cerberus/transport.py": (
        f"{_CERBERUS}/test_transport.py",
        "tests/integration/cerberus/test_transport_failures.py",
    ),
    "cerberus/checked_connection.py": (
        f"{_CERBERUS}/test_transport.py",
        "tests/integration/cerberus/test_transport_failures.py",
        "tests/integration/cerberus/test_trust_in_use.py",
    ),
}
"""By module below ``functions/``: the test files and folders for its mutants."""
