"""Our tables go forward from whatever made them: SQLite files by themselves, with a copy of them first."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine

from p2m_spawner import schema as schemas
from p2m_spawner.accounts import model
from p2m_spawner.accounts.model import AccountStore, State
from p2m_spawner.database import Store
from p2m_spawner.gateway import store as grants
from p2m_spawner.gateway.oauth import client_store
from p2m_spawner.gateway.oauth.client_store import ClientStore
from p2m_spawner.gateway.store import GrantStore
from p2m_spawner.schema import ACCOUNTS, GATEWAY, Schema, WrongSchema, prepare
from tests.support.hub import ROOT

BEFORE_NUMBERS = Path(__file__).with_name("before_numbers")
"""Dumps of databases that versions made before tables had numbers, as `sqlite3 FILE .dump` writes them."""


def database(path: Path, dump: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((BEFORE_NUMBERS / f"{dump}.sql").read_text())
    return path


def copies(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.*"))


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("schema", [ACCOUNTS, GATEWAY], ids=lambda schema: schema.name)
def test_the_steps_end_at_the_tables_that_the_code_has(schema: Schema) -> None:
    metadata = MetaData()
    for base in (model.Base, grants.Base, client_store.Base):
        for table in base.metadata.tables.values():
            if table.name in schema.tables:
                table.to_metadata(metadata)
    assert metadata.tables.keys() == schema.tables
    engine = create_engine("sqlite://")
    prepare(engine, schema)
    with engine.connect() as connection:
        options = {"version_table": schema.version_table, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        assert schema.version_in(connection) == schema.head, "head is the last of the steps"


def test_a_new_file_gets_tables_and_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    store = AccountStore(f"sqlite:///{path}")
    store.prepare()
    assert rows(path, "select version_num from p2m_accounts_version") == [("accounts1",)]
    assert copies(path) == []
    AccountStore(f"sqlite:///{path}").prepare()
    assert copies(path) == []


def test_accounts_of_before_go_on_and_their_file_is_copied_first(tmp_path: Path) -> None:
    path = database(tmp_path / "accounts.sqlite", "accounts")
    before = path.read_bytes()
    store = AccountStore(f"sqlite:///{path}")
    ada = store.find("ada")
    assert ada is not None
    assert (ada.state, ada.password_hash, ada.created.isoformat()) == (
        "active", "$argon2id$kept", "2026-11-22T10:20:30.000456+00:00",
    )  # fmt: skip
    store.add("grace", None, State.ACTIVE)
    (copy,) = copies(path)
    assert rows(copy, "select name from p2m_accounts") == [("ada",)]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert before != path.read_bytes()


@pytest.mark.parametrize("dump", ["gateway_with_grants", "gateway_with_clients", "gateway_with_auth_method"])
def test_sign_ins_and_clients_of_before_go_on(tmp_path: Path, dump: str) -> None:
    path = database(tmp_path / "gateway.sqlite", dump)
    url = f"sqlite:///{path}"
    grant = GrantStore(url).find("a" * 32)
    assert grant is not None
    assert grant.user == "ada"
    clients = ClientStore(url)
    if dump != "gateway_with_grants":
        kept = clients.find("c" * 32)
        assert kept is not None
        assert kept.redirect_uris == ["http://127.0.0.1/callback"]
    new = client_store.RegisteredClient(
        id="d" * 32, name="new", redirect_uris=[], secret_hash=None, created=grant.created, allowed=None
    )
    clients.add(new)
    assert clients.find("d" * 32) is not None
    assert len(copies(path)) == 1


def test_tables_of_a_newer_version_are_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    AccountStore(f"sqlite:///{path}").prepare()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update p2m_accounts_version set version_num = 'accounts99'")
    before = path.read_bytes()
    with pytest.raises(WrongSchema, match=r"newer version \(accounts99\).* needs accounts1\..*Nothing was changed\."):
        AccountStore(f"sqlite:///{path}").prepare()
    assert path.read_bytes() == before
    assert copies(path) == []


def test_without_a_copy_nothing_is_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = database(tmp_path / "accounts.sqlite", "accounts")
    before = path.read_bytes()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(schemas.os, "open", full)
    with pytest.raises(WrongSchema, match=r"cannot be copied to .*No space left on device.*Make room there"):
        prepare(create_engine(f"sqlite:///{path}"), ACCOUNTS)
    assert path.read_bytes() == before


STEPS = {
    "first": 'revision = "first"\ndown_revision = None\n'
    'def upgrade():\n    op.create_table("t", sa.Column("a", sa.Integer()))\n',
    "second": 'revision = "second"\ndown_revision = "first"\n'
    'def upgrade():\n    op.add_column("t", sa.Column("b", sa.Integer()))\n    {more}\n',
}


def steps(folder: Path, *names: str, more: str = "pass") -> Schema:
    """Tables with steps of a test's own."""
    folder.mkdir(exist_ok=True)
    for name in names:
        text = STEPS[name].replace("{more}", more)
        (folder / f"{name}.py").write_text(f"import sqlalchemy as sa\nfrom alembic import op\n{text}")
    return Schema("test", names[-1], frozenset({"t"}), folder)


def test_each_step_runs_once_and_data_stays(tmp_path: Path) -> None:
    folder, path = tmp_path / "steps with spaces, and 100%", tmp_path / "t.sqlite"
    Store(f"sqlite:///{path}", steps(folder, "first")).prepare()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("insert into t values (7)")
    Store(f"sqlite:///{path}", steps(folder, "first", "second")).prepare()
    assert rows(path, "select a, b from t") == [(7, None)]
    assert rows(path, "select version_num from p2m_test_version") == [("second",)]
    assert [rows(copy, "select * from t") for copy in copies(path)] == [[(7,)]]


def test_a_step_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    folder, path = tmp_path / "steps", tmp_path / "t.sqlite"
    Store(f"sqlite:///{path}", steps(folder, "first")).prepare()
    with pytest.raises(ZeroDivisionError):
        Store(f"sqlite:///{path}", steps(folder, "first", "second", more="1 / 0")).prepare()
    assert rows(path, "select * from t") == []
    assert [name for (name,) in rows(path, "select name from pragma_table_info('t')")] == ["a"]
    assert rows(path, "select version_num from p2m_test_version") == [("first",)]


def test_processes_that_start_together_make_the_tables_once(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    code = "import sys; from p2m_spawner.accounts.model import AccountStore; AccountStore(sys.argv[1]).prepare()"
    command = [sys.executable, "-c", code, f"sqlite:///{path}"]
    running = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    assert rows(path, "select version_num from p2m_accounts_version") == [("accounts1",)]
    assert copies(path) == []
