"""The house itself: import contracts, modules that import alone, a test for every room."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "gateway").rglob("*.py")
    if "migrations" not in path.parts and path.name != "__main__.py"
)
# Rooms whose test stands under another name, and where.
ELSEWHERE = {
    "deployment": "stories, settings/test_load",
    "app": "stories: every story runs through the composition root",
    "settings": "settings/test_load",
    "answering": "proxy/test_door",
    "client": "proxy/test_door",
    "pool": "proxy/test_door",
    "upstream": "proxy/test_door",
    "loop": "stories/test_workers, stories/test_workers_watchdog",
    "change": "stories/test_workers_reload, stories/test_workers_upgrade",
    "succession": "stories/test_workers_upgrade",
    "crew": "stories/test_workers_watchdog",
    "slots": "stories/test_workers_watchdog: a crash loop",
    "processes": "stories/test_workers_watchdog",
    "listeners": "stories/test_workers_reload",
    "speech": "stories/test_workers_reload: every line that is read there",
    "plans": "stories/test_workers_reload",
    "patience": "stories/test_workers_waiting",
    "scrape": "stories/test_workers_metrics",
    "pulse": "stories/test_workers_metrics",
    "sockets": "stories/test_workers",
    "memory": "bench: what idle connections cost, and whether it comes back",
    "plan": "proxy/test_door, proxy/test_corpus",
    "limits": "proxy/test_door: test_limits",
    "heads": "proxy/test_door, proxy/test_vectors",
    "wire": "proxy/test_vectors",
    "headers": "proxy/test_door, stories: R135",
    "request": "proxy/test_vectors",
    "answer": "proxy/test_door: challenges and faults",
    "standing": "test_epoch",
    "ops": "stories/test_outage: readyz and metrics",
    "schema": "edges/test_records_contract",
    "database": "edges/test_records_contract, edges/test_records_failover",
    "database_engines": "edges/test_records_failover, edges/test_records_faults",
    "database_faults": "edges/test_records_faults",
    "database_statements": "edges/test_records_contract",
    "postgres_lines": "edges/test_records_failover, edges/test_records_faults",
    "memory_store": "edges/test_store_contract",
    "sqlite_store": "edges/test_store_contract, edges/test_sqlite_store",
    "redis_store": "edges/test_store_contract",
    "redis_address": "edges/test_store_contract: every shape",
    "redis_line": "edges/test_redis_faults",
    "redis_link": "edges/test_redis_failover, edges/test_redis_faults",
    "redis_map": "edges/test_redis_cluster",
    "redis_news": "edges/test_redis_faults, edges/test_redis_failover",
    "redis_primary": "edges/test_redis_failover, edges/test_redis_faults",
    "redis_sentinels": "edges/test_redis_failover",
    "redis_url": "settings/test_store_section",
    "store": "settings/test_store_section",
    "keys": "test_assertion",
    "journal": "stories: every refused card",
    "oidc_checks": "providers/test_oidc",
    "smartcard": "providers/test_certificates, stories",
    "password_rule": "accounts/test_password",
    "establishments": "policy/test_establishments",
    "book": "stories: the seeded establishments",
    "html": "stories: every page",
    "sms_line": "edges/test_sms",
    "kinds": "settings/test_load",
    "looks": "settings/test_load, pages/test_regions",
    "people": "settings/test_load",
    "desk": "stories: every sign-in asks it",
    "household": "stories: every story runs through it",
    "code": "providers/test_otp, providers/test_second_factors",
    "pretence": "providers/test_second_factors: R81; stories/test_uniform_failures",
    "codes": "providers/test_otp, providers/test_second_factors",
    "devices": "providers/test_second_factors",
    "tries": "providers/test_otp, providers/test_second_factors",
    "closing": "stories/test_my_account",
    "contacts": "stories/test_my_account",
    "proving": "stories/test_my_account",
    "stepup": "stories/test_my_account",
    "forgotten": "stories/test_account",
    "entrance": "stories",
    "leaving": "stories/test_sessions",
    "strong": "stories",
    "administrator": "admin/test_entrance, api/test_door",
    "asking": "admin/test_switching",
    "download": "admin/test_imports, admin/test_people",
    "finding": "admin/test_people",
    "frame": "admin/test_looks: every page",
    "importing": "admin/test_imports",
    "person": "admin/test_people",
    "policy_form": "admin/test_policy",
    "preparing": "admin/test_people",
    "rooms": "admin/test_looks: every page",
    "scope": "admin/test_policy, admin/test_switching",
    "states": "admin/test_policy, admin/test_switching",
    "uploads": "admin/test_imports, api/test_imports",
    "when": "admin/test_charts",
    "house": "stories: every page",
    "words": "words",
    "means": "pages/test_help",
    "region_pages": "pages/test_regions",
    "office": "stories/test_user_commands",
    "options": "stories/test_user_commands",
    "outbox": "stories/test_user_commands",
    "places": "stories/test_user_commands",
    "custody": "administration/test_people",
    "judgement": "test_epoch",
    "epochs": "test_epoch",
    "ledger": "test_epoch",
    "dated_store": "test_epoch",
    "voiding": "test_epoch, deploy/test_backup",
    "witness": "test_epoch",
    "backup_databases": "deploy/test_backup, stories/test_epoch_commands",
    "acts": "delegations/test_office, delegations/test_office_periods",
    "context": "delegations/test_receiving_acting",
    "judging": "delegations/test_office, delegations/test_receiving",
    "own": "delegations/test_office, delegations/test_office_periods",
    "invitations": "administration/test_people, pages/test_invitation",
    "newcomers": "administration/test_people",
    "welcome": "administration/test_people",
    "account_files": "administration/test_import_accounts",
    "actor": "administration/test_scopes, api/test_matrix",
    "drafts": "admin/test_switching",
    "exact": "administration/test_scopes, administration/test_switching: acts that are overtaken",
    "fields": "administration/test_scopes",
    "import_absent": "administration/test_import_scopes",
    "import_report": "administration/test_imports",
    "lines": "administration/test_switching",
    "requests": "administration/test_switching, stories/test_switches",
    "revisions": "test_desk, administration/test_scopes",
    "scope_files": "administration/test_import_scopes",
    "scope_changes": "administration/test_import_scopes",
    "shape": "administration/test_scopes",
    "tables": "administration/test_imports",
    "wishes": "administration/test_switching",
    "account_models": "api/test_accounts, api/test_document",
    "import_models": "api/test_imports, api/test_document",
    "insight_models": "api/test_insight, api/test_document",
    "scope_models": "api/test_scopes, api/test_document",
    "switch_models": "api/test_switches, api/test_document",
    "delegation_models": "api/test_delegations, api/test_document",
    "token_models": "api/test_insight, api/test_document",
    "operation": "api/test_document, api/test_matrix",
    "problem": "api/test_door, api/test_reading",
    "table": "api/test_document, api/test_matrix",
    "scope_acts": "stories/test_scope_commands",
    "connections": "stories: every mail, SMS and e-CPS",
    "delegated": "stories/test_delegations: every story runs through it",
    "delegation_room": "pages/test_delegating, pages/test_delegations",
    "delegation_words": "pages/test_delegations, pages/test_delegation_detail",
    "assertion_check": "test_assertion_tests",
    "faults": "test_assertion_tests",
    "good": "test_assertion_tests",
    "press": "test_assertion_tests",
    "estate": "stories/test_demo_administration, stories/test_switches",
    "facts": "delegations/test_oversight",
    "past": "delegations/test_oversight",
    "signs": "delegations/test_oversight",
    "delegation_trace": "stories/test_delegation_commands",
    "audit_view": "edges/test_overview, administration/test_audit_trail",
    "findings": "edges/test_overview",
    "counting": "edges/test_overview",
    "tally": "administration/test_statistics",
    "origins": "policy/test_explain",
    "ways": "policy/test_explain",
    "territories": "administration/test_import_scopes",
    "reasons": "words",
    "ports": "words",
    "audit": "words",
    "identity": "test_identity",
    "model": "session/test_keeper, settings/test_load",
    "account": "policy/test_decision",
    "load": "settings/test_load",
    "base": "stories: every page",
    "arrival": "stories",
    "attempts": "stories",
    "signin": "stories",
    "registration": "stories",
    "passwords": "stories/test_account",
    "serve": "stories/test_outage",
    "check": "stories/test_commands",
    "card": "stories/test_commands",
    "shared": "stories/test_commands",
    "demo": "stories",
}


def test_import_contracts() -> None:
    """The four contracts of pyproject.toml hold: floors, pure rooms, independent providers, guarded edges."""
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(program)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_module_imports_alone() -> None:
    """No module needs another to have been imported first: what modules import while they load makes no circle."""
    names = set(MODULES)
    needs = {name: _loads(name, names) for name in MODULES}
    assert len(needs["gateway.app"]) > 30  # it is read as meant
    graphlib.TopologicalSorter(needs).prepare()  # raises CycleError with the circle


def _loads(name: str, names: set[str]) -> set[str]:
    """The modules of ours that this one imports while it loads, by its own lines and by those of its packages."""
    path = ROOT / Path(*name.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    found: set[str] = set()
    rest = list(ast.parse(source.read_text("utf-8")).body)
    while rest:
        node = rest.pop()
        if isinstance(node, ast.Import):
            found.update(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are written out"
            found.add(node.module or "")
            found.update(f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            rest += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            rest += [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.stmt | ast.excepthandler)]
    whole = {".".join(one.split(".")[:n]) for one in found for n in range(1, one.count(".") + 2)}
    above = {".".join(name.split(".")[:n]) for n in range(1, name.count(".") + 1)}
    # A package that is on its way is there for its own modules already.
    return (whole & names) - above - {name}


@pytest.mark.parametrize("module", [name for name in MODULES if ".demo" not in name])
def test_every_room_has_its_test(module: str) -> None:
    """A source file of 40 lines or more has a test of its name, or says where its test stands."""
    path = ROOT / Path(*module.split(".")).with_suffix(".py")
    if not path.exists() or len(path.read_text().splitlines()) < 40:
        return
    name = path.stem
    found = list((ROOT / "tests").rglob(f"test_{name}*.py"))
    assert found or name in ELSEWHERE, f"no test for {module}"


def test_no_file_is_too_long() -> None:
    """Above 470 lines there is a second subject inside; the composition root and the test authority are named."""
    long = {path.name for path in (ROOT / "gateway").rglob("*.py") if len(path.read_text().splitlines()) > 470}
    assert long <= {"app.py", "cards.py"}
