"""A catalogue in PostgreSQL keeps the contract of one in SQLite; it is named once, and its password is never ours."""

# ruff: noqa: F401 - what is imported from other tests is run here again, on the other catalogue
from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pytest

from metabt.cli.exit_codes import UNREACHABLE
from metabt.cli.main import main
from metabt.config import compose
from metabt.errors import ConfigError, StoreError
from metabt.lakehouse import (
    attach,
    check_writable,
    commit_run,
    find_run,
    ingest,
    load_facts,
    load_prices,
    load_run,
    query,
)
from metabt.lakehouse.catalog import attachment, catalog_location, transaction
from metabt.lakehouse.catalog.extensions import load_extensions
from metabt.lakehouse.catalog.postgres import PostgresCatalogue
from metabt.lakehouse.catalog.schema import RUN_TABLES, SCHEMA, insert
from metabt.lakehouse.catalog.sqlite import SqliteCatalogue
from metabt.lakehouse.runs import commits
from metabt.lakehouse.runs.askings import Asked
from metabt.lakehouse.soundness import check_lakehouse
from tests.lakehouse.catalog.test_attachment import options, test_check_writable_leaves_nothing_behind
from tests.lakehouse.conftest import same, state, wide
from tests.lakehouse.ingestion.test_ingestion import (
    inside,
    test_a_correction_is_one_row_and_reaches_later_digests,
    test_a_failure_half_way_leaves_nothing,
    test_an_older_snapshot_still_has_the_older_prices,
    test_datasets_do_not_mix,
    test_each_ingestion_is_one_snapshot_and_one_row,
    test_hostile_symbols_are_data,
    test_real_prices_come_back_to_the_bit,
    test_the_same_data_again_make_no_snapshot,
    test_volume_that_comes_later_touches_every_symbol,
    test_what_goes_in_comes_out,
)
from tests.lakehouse.prices.test_dataset_facts import test_an_older_snapshot_has_the_older_facts
from tests.lakehouse.runs.test_commits import (
    test_a_connection_that_has_read_writes_and_is_closed,
    test_a_crash_while_replacing_keeps_what_was_there,
    test_a_run_is_replaced_only_by_more_of_itself,
    test_failed_runs_are_listed_but_not_found,
    test_runs_kept_whole_are_told_from_summaries,
    test_runs_lie_in_the_order_of_their_identity,
    test_runs_stored_together_come_back_as_if_alone,
    test_runs_that_are_there_are_left_out,
)
from tests.lakehouse.runs.test_stored_runs import (
    assert_same_table,
    run,
    table,
    test_a_run_is_one_snapshot,
    test_an_error_that_waiting_does_not_mend_is_not_tried_again,
    test_committing_says_that_it_did,
)
from tests.shared.postgres_server import Server

Con = duckdb.DuckDBPyConnection

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture(scope="module")
def con(signed_in: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Con]:
    """Return a writable connection to an empty lakehouse."""
    with attach(tmp_path_factory.mktemp("ingest"), create=True, catalog=signed_in.catalog) as opened:
        yield opened


@pytest.fixture
def fresh(signed_in: Server, tmp_path: Path) -> Path:
    """Return a lakehouse without data that belongs to the test."""
    attach(tmp_path / "fresh", create=True, catalog=signed_in.catalog).close()
    return tmp_path / "fresh"


def stock(lake: Path) -> Path:
    """Give a lakehouse a dataset and a run."""
    ingest(lake, "d", wide(40))
    commit_run(lake, run(), {name: table(name, 20) for name in RUN_TABLES})
    return lake


@pytest.fixture
def lake(fresh: Path) -> Path:
    """Return a lakehouse with a dataset and a run that belongs to the test."""
    return stock(fresh)


@pytest.fixture(scope="module")
def kept(signed_in: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lakehouse with a dataset and a run, whose folder is copied."""
    path = tmp_path_factory.mktemp("kept") / "lake"
    attach(path, create=True, catalog=signed_in.catalog).close()
    return stock(path)


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """Return a folder that belongs to the test; what is read there is a catalogue that others read too."""
    return Path(shutil.copytree(kept, tmp_path / "fresh"))


def schema_of(lake: Path) -> str:
    found = catalog_location.existing(lake)
    assert isinstance(found, PostgresCatalogue) and found.place.schema is not None
    return found.place.schema


def files(lake: Path) -> list[str]:
    return sorted(file.name for file in lake.iterdir())


def test_the_folder_says_where_its_catalogue_is(folder: Path, signed_in: Server) -> None:
    assert files(folder) == ["catalog.postgres", "data"]
    words = f"dbname=metabt host=127.0.0.1 port={signed_in.port} schema={schema_of(folder)} user=quant"
    assert (folder / "catalog.postgres").read_text().splitlines()[1:] == [f"postgres:{words}"]
    assert signed_in.sql(f"SELECT count(*) > 0 FROM {schema_of(folder)}.ducklake_snapshot") == ["t"]


def test_what_a_stopped_maker_left_is_told_and_made_whole_by_the_next_ingestion(
    signed_in: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(con: Con) -> None:
        raise KeyboardInterrupt

    for step, told in (("create_tables", True), ("keep_in_catalogue", False)):
        with monkeypatch.context() as patch:
            patch.setattr(attachment, step, stopped)
            with pytest.raises(KeyboardInterrupt):
                ingest(tmp_path / step, "d", wide(5), catalog=signed_in.catalog)
        if told:
            with pytest.raises(StoreError, match="no table yet.*`metabt ingest FILE .*goes on from there"):
                attach(tmp_path / step, read_only=True)
        ingest(tmp_path / step, "d", wide(5))
        assert options(tmp_path / step) and check_lakehouse(tmp_path / step).faults == []


def test_everything_comes_back_to_the_bit(folder: Path) -> None:
    with attach(folder, read_only=True) as con:
        assert same(load_prices(con, {"d": None})["d"].close, wide(40).to_numpy(copy=True))
        row, tables = load_run(con, "abc123")
    assert row == run()
    for name in RUN_TABLES:
        assert_same_table(tables[name], table(name, 20))


def test_lakehouses_of_one_database_do_not_mix(tmp_path: Path, signed_in: Server) -> None:
    for name, size in (("a", 5), ("b", 7)):
        ingest(tmp_path / name, name, wide(size), catalog=signed_in.catalog)
    assert schema_of(tmp_path / "a") != schema_of(tmp_path / "b")
    for name, size in (("a", 5), ("b", 7)):
        assert query(tmp_path / name, "SELECT DISTINCT dataset, count(*) FROM prices GROUP BY 1").rows == (
            (name, 3 * size),
        )


def test_a_stated_schema_belongs_to_one_lakehouse(tmp_path: Path, signed_in: Server) -> None:
    stated = f"{signed_in.catalog} schema=user"  # a reserved word is a name like any other
    ingest(tmp_path / "first", "d", wide(5), catalog=stated)
    assert schema_of(tmp_path / "first") == "user"
    ingest(tmp_path / "first", "d", wide(6), catalog=stated)
    with pytest.raises(StoreError, match=r"second' cannot be made: .*schema=user.* is the catalogue of another one"):
        ingest(tmp_path / "second", "d", wide(5), catalog=stated)
    assert not (tmp_path / "second" / "catalog.postgres").exists()
    check_writable(tmp_path / "first")


def test_it_is_named_once_and_then_found(
    tmp_path: Path, signed_in: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METABT_CATALOG", signed_in.catalog)
    ingest(tmp_path / "lake", "d", wide(5))
    schema = schema_of(tmp_path / "lake")
    monkeypatch.delenv("METABT_CATALOG")
    shutil.move(tmp_path / "lake", tmp_path / "moved")
    ingest(tmp_path / "moved", "e", wide(5))
    assert schema_of(tmp_path / "moved") == schema
    assert query(tmp_path / "moved", "SELECT count(*) FROM prices").rows == ((30,),)


def test_whoever_names_another_catalogue_is_refused(
    lake: Path, tmp_path: Path, signed_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(tmp_path / "local", "d", wide(5))
    other = signed_in.catalog.replace("metabt", "elsewhere")
    for path in (lake, tmp_path / "local"):
        with pytest.raises(StoreError, match=r"has its catalogue in .*, but catalog names .*elsewhere.*leave catalog"):
            ingest(path, "d", wide(6), catalog=other)
        monkeypatch.setenv("METABT_CATALOG", other)
        for use in (attach, check_writable, lambda path: commit_run(path, run("new"), {})):
            with pytest.raises(StoreError, match="but METABT_CATALOG names .*elsewhere"):
                use(path)
        monkeypatch.delenv("METABT_CATALOG")
    monkeypatch.setenv("METABT_CATALOG", signed_in.catalog)
    attach(lake).close()
    with pytest.raises(StoreError, match="catalog names .*elsewhere.*but METABT_CATALOG names .*name one"):
        ingest(tmp_path / "new", "d", wide(5), catalog=other)
    assert not (tmp_path / "new").exists()


def test_a_folder_with_two_catalogues_is_refused(folder: Path) -> None:
    (folder / "catalog.sqlite").write_bytes(b"SQLite format 3\0")
    with pytest.raises(StoreError, match=r"two catalogues, catalog\.sqlite and catalog\.postgres; move one"):
        attach(folder)


@pytest.mark.parametrize("text", ["", "nonsense", "postgres:host=a\npostgres:host=b", "postgres:host=a"])
def test_a_broken_file_is_named(folder: Path, text: str) -> None:
    (folder / "catalog.postgres").write_text(text)
    with pytest.raises(StoreError, match=r"catalog\.postgres' (does not say where|states no schema).*restore it"):
        attach(folder)


def test_the_password_may_be_in_a_file(
    lake: Path, tmp_path: Path, signed_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD")
    file = tmp_path / "passwords"
    file.write_text(f"127.0.0.1:{signed_in.port}:metabt:quant:{signed_in.password}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    ingest(lake, "e", wide(5))
    assert query(lake, "SELECT count(*) FROM prices").rows == ((135,),)


def test_what_the_text_leaves_out_comes_from_libpqs_environment(
    tmp_path: Path, signed_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HOST": "127.0.0.1", "PORT": str(signed_in.port), "USER": "quant"}.items():
        monkeypatch.setenv(f"PG{name}", value)
    ingest(tmp_path, "d", wide(5), catalog="postgres:dbname=metabt")
    assert (tmp_path / "catalog.postgres").read_text().splitlines()[1].startswith("postgres:dbname=metabt schema=")
    assert query(tmp_path, "SELECT count(*) FROM prices").rows == ((15,),)


def test_without_the_password_it_says_where_to_put_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(folder)
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    for use in (attach, check_writable, lambda path: ingest(path, "d", wide(50))):
        with pytest.raises(
            StoreError, match=r"catalogue of lakehouse '.*fresh', 'postgres:.*no password supplied; .*P"
        ):
            use(folder)
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    with pytest.raises(StoreError, match=r"authentication failed.*; see to the user, and to the password") as told:
        attach(folder)
    assert "hunter2" not in str(told.value)
    monkeypatch.undo()
    assert state(folder) == before


def test_secrets_that_duckdb_has_stored_are_not_used(
    lake: Path, tmp_path: Path, signed_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = f"CREATE PERSISTENT SECRET (TYPE postgres, PASSWORD '{signed_in.password}')"
    with duckdb.connect(config={"secret_directory": str(tmp_path / ".duckdb" / "stored_secrets")}) as con:
        load_extensions(con, ["postgres_scanner"])
        con.execute(stored)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGPASSWORD")
    with pytest.raises(StoreError, match="no password supplied"):
        attach(lake)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"port": "1"}, r"Connection refused; see that the server runs and can be reached"),
        ({"dbname": "nowhere"}, r'database "nowhere" does not exist; make it on the server'),
        ({"host": "nowhere.invalid"}, r"could not translate host name .*; see that the server runs"),
        ({"sslmode": "require"}, r"does not support SSL.*; see to sslmode"),
        ({"service": "nowhere"}, r"service .*nowhere.* not found; add it to the file that PGSERVICEFILE names"),
    ],
)
def test_a_server_that_cannot_be_reached_is_named(
    tmp_path: Path, signed_in: Server, change: dict[str, str], says: str
) -> None:
    place = catalog_location.parse_connection_string(signed_in.catalog)
    words = catalog_location.ConnectionString(tuple(sorted({**dict(place.words), **change}.items())), None)
    with pytest.raises(
        StoreError, match=rf"catalogue of lakehouse '.*lake', 'postgres:.*', cannot be opened: .*{says}"
    ):
        ingest(tmp_path / "lake", "d", wide(5), catalog=str(words))
    assert not (tmp_path / "lake").exists()


def test_a_schema_that_is_gone_is_named(lake: Path, signed_in: Server) -> None:
    signed_in.sql(f"DROP SCHEMA {schema_of(lake)} CASCADE")
    ways = (attach, lambda path: commit_run(path, run("new"), {}), lambda path: ingest(path, "new", wide(5)))
    for use in ways:
        with pytest.raises(StoreError, match=r"is not in 'postgres:.*'; restore that schema from a backup"):
            use(lake)


def test_a_missing_extension_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from metabt.lakehouse.catalog import extensions

    monkeypatch.setattr(extensions, "_extension_wheel", lambda name: None)
    monkeypatch.setattr(PostgresCatalogue, "extensions", ("postgres_scanners",))
    monkeypatch.setitem(extensions.EXTRAS, "postgres_scanners", extensions.EXTRAS["postgres_scanner"])
    with pytest.raises(StoreError, match=r"pip install 'metabt\[postgres\]', or install the wheel duckdb-extension-"):
        attach(folder)


def test_a_user_who_may_only_read_is_told_before_anything_is_computed(
    lake: Path, signed_in: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = schema_of(lake)
    signed_in.sql(
        f"CREATE ROLE guest LOGIN PASSWORD 'guest'; GRANT USAGE ON SCHEMA {schema} TO guest; "
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO guest"
    )
    file = lake / "catalog.postgres"
    file.write_text(file.read_text().replace("user=quant", "user=guest"))
    monkeypatch.setenv("PGPASSWORD", "guest")
    before = state(lake)
    assert query(lake, "SELECT count(*) FROM prices").rows == ((120,),)
    with pytest.raises(
        StoreError, match=r"cannot be written: its catalogue .*permission denied for its tables; .*GRANT"
    ):
        check_writable(lake)
    with pytest.raises(StoreError, match=r"nothing was written: ERROR: permission denied for table \w+; GRANT") as told:
        commit_run(lake, run("new"), {"weights": table("weights", 50)})
    assert "INSERT INTO" not in str(told.value)  # what DuckLake had sent is no help
    assert state(lake) == before


def test_old_and_new_states_are_read_side_by_side(lake: Path) -> None:
    with attach(lake, read_only=True) as con:
        (before,), *_ = con.execute("SELECT id FROM ducklake_current_snapshot('lake')").fetchall()
        ingest(lake, "d", wide(60))
        assert [len(load_facts(con, {"d": None}, at)["d"].dates) for at in (before, None)] == [40, 60]


PORTFOLIO = "name: mine\ndefaults: {dataset: d, lookback: 10, schedule: weekly}\nsleeves:\n  a: {universe: [AA, BB]}\n"


@pytest.fixture
def desk(tmp_path: Path, signed_in: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory whose configuration names a lakehouse and its catalogue, neither of them there yet."""
    from metabt.config.files import packaged_dir

    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "portfolio").mkdir(parents=True)
    (tmp_path / "conf" / "portfolio" / "mine.yaml").write_text(PORTFOLIO)
    stated = (packaged_dir() / "config.yaml").read_text().replace("catalog: null", f"catalog: {signed_in.catalog}")
    (tmp_path / "conf" / "config.yaml").write_text(stated)
    wide(120).to_csv(tmp_path / "prices.csv")
    return tmp_path


@pytest.mark.slow
def test_every_command_finds_it(desk: Path, signed_in: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for line in (
        ["ingest", "prices.csv", "--dataset", "d"],
        ["plan", "portfolio=mine"],
        ["backtest", "--quiet", "portfolio=mine"],
        ["backtest", "--quiet", "-m", "portfolio=mine", "portfolio.lookback=5,7"],
        ["backtest", "-m", "--dry-run", "portfolio=mine", "portfolio.lookback=5,9"],
        ["runs"],
        ["weights", "mine"],
        ["weights", "mine", "--refresh"],
        ["sql", "select count(*) as n from runs", "--format", "csv"],
        ["report", "mine"],
        ["explain", "mine"],
        ["reproduce", "mine"],
        ["cache", "stats"],
        ["cache", "verify", "--recompute", "1"],
        ["cache", "prune", "--keep", "30d"],
    ):
        assert main(line) == 0, capsys.readouterr()
        out = capsys.readouterr().out
        assert line[0] != "sql" or out == "n\n3\n"
    assert files(desk / "data" / "lakehouse") == [".cache", "catalog.postgres", "data"]
    said = [file.read_bytes() for file in desk.rglob("*") if file.is_file()]
    kept = signed_in.sql(f"SELECT * FROM {schema_of(desk / 'data' / 'lakehouse')}.ducklake_metadata")
    with attach(desk / "data" / "lakehouse") as con:
        rows = json.dumps(con.execute("SELECT config, versions, overrides FROM runs").fetchall())
    assert len(said) > 10 and not any(signed_in.password.encode() in text for text in said)
    assert signed_in.password not in rows + "".join(kept)


def test_a_configuration_that_names_another_catalogue_is_refused(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", "prices.csv", "--dataset", "d"]) == 0
    config = desk / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("dbname=metabt", "dbname=elsewhere"))
    for line in (
        ["runs"],
        ["backtest", "portfolio=mine"],
        ["backtest", "-m", "portfolio=mine,one"],
        ["cache", "stats"],
    ):
        capsys.readouterr()
        assert main(line) == 1
        assert "but catalog names 'postgres:dbname=elsewhere" in capsys.readouterr().err
    assert main(["runs", "--lakehouse", "data/lakehouse"]) == 0
    assert main(["plan", "portfolio=mine", "catalog=null"]) == 0


@pytest.mark.parametrize(
    "line",
    [
        ["ingest", "prices.csv", "--dataset", "d", "--catalog", "postgres:host=db password=hunter2"],
        ["backtest", "portfolio=mine", 'catalog="postgres:host=db password=hunter2"'],
        ["backtest", "portfolio=mine", "catalog=postgres:host=db password=hunter2"],
        ["backtest", "-m", "portfolio=mine,one", 'catalog="postgres:host=db password=hunter2"'],
        ["backtest", "-m", "portfolio=mine", 'catalog="postgres:host=db password=hunter2",null'],
    ],
)
def test_a_password_on_the_command_line_is_refused_and_not_repeated(
    desk: Path, line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line) == 1
    told = capsys.readouterr()
    assert "holds a password" in told.err and "PGPASSWORD" in told.err
    assert "hunter2" not in told.out + told.err
    assert not (desk / "data").exists()


def test_a_password_in_a_file_or_the_environment_is_refused_and_not_repeated(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = desk / "conf" / "config.yaml"
    config.write_text(config.read_text().replace("dbname=metabt", "dbname=metabt password=hunter2"))
    with pytest.raises(ConfigError, match="holds a password"):
        compose(["portfolio=mine"])
    assert main(["ingest", "prices.csv", "--dataset", "d"]) == 1
    monkeypatch.setenv("METABT_CATALOG", "postgres:password=hunter2")
    assert main(["runs", "--lakehouse", "x"]) == 1
    told = capsys.readouterr()
    assert told.err.count("holds a password") == 2 and "METABT_CATALOG: " in told.err
    assert "hunter2" not in told.out + told.err


def test_an_outage_while_reading_says_what_to_do(lake: Path, signed_in: Server) -> None:
    with attach(lake, read_only=True) as con:
        con.execute("BEGIN")
        assert find_run(con, "abc123")
        assert signed_in.hang_up()
        with pytest.raises(StoreError, match="lakehouse's catalogue was lost: .*; see that the server"):
            load_facts(con, {"d": None})
        with pytest.raises(duckdb.Error):
            con.execute("ROLLBACK")
        assert find_run(con, "abc123")  # over a new connection


@pytest.mark.parametrize("stage", ["runs", *RUN_TABLES[::4], "commit"])
def test_an_outage_while_writing_leaves_nothing(
    lake: Path, signed_in: Server, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    before = state(lake)

    def write(con: Con, name: str, rows: object) -> None:
        insert(con, name, rows)
        if name == stage:
            assert signed_in.hang_up()

    monkeypatch.setattr("metabt.lakehouse.runs.commits.insert", write)
    if stage == "commit":
        monkeypatch.setattr("metabt.lakehouse.runs.commits.append", _then_hang_up(signed_in))
    with pytest.raises(StoreError, match=r"connection to its catalogue, 'postgres:.*', was lost: .*all or nothing"):
        commit_run(lake, run("new"), {name: table(name, 50) for name in RUN_TABLES})
    assert state(lake) == before
    monkeypatch.undo()
    assert commit_run(lake, run("new"), {name: table(name, 50) for name in RUN_TABLES})
    with attach(lake, read_only=True) as con:
        assert_same_table(load_run(con, "new")[1]["weights"], table("weights", 50))


def _then_hang_up(server: Server):  # noqa: ANN202
    append = commits.append

    def last(con: Con, asked: Sequence[Asked]) -> None:
        append(con, asked)  # nothing is written after it
        assert server.hang_up()

    return last


def test_who_lost_the_lock_overtakes_nobody(fresh: Path, signed_in: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run by two drivers at once, the first of which has lost its lock after it looked: stored once."""
    from metabt.lakehouse.runs import commits

    look, seen = commits._stored, []

    def looked(con: Con, run_ids: list[str]) -> dict[str, tuple[str, str]]:
        found = look(con, run_ids)
        if not seen:
            seen.append(found)
            assert signed_in.hang_up("query LIKE '%advisory%'") == 1
            assert commit_run(fresh, run(), {"weights": table("weights", 50)})
        else:
            seen.append(found)
        return found

    monkeypatch.setattr(commits, "_stored", looked)
    assert not commit_run(fresh, run(), {"weights": table("weights", 50)})
    assert [len(found) for found in seen] == [0, 0, 1]  # looked, was overtaken, looked again
    assert state(fresh)[1] == dict.fromkeys(SCHEMA, 0) | {"runs": 1, "weights": 50, "seals": 1, "files": 1}


def test_a_lock_that_is_never_released_is_reported(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from metabt.lakehouse.catalog import postgres

    monkeypatch.setattr(postgres, "LOCK_SECONDS", 0.2)
    where = catalog_location.require(fresh)
    with (
        transaction.opened(where.extensions) as con,
        where.writer_lock(con),
        pytest.raises(StoreError, match=r"another driver has held the writer lock of 'postgres:.*pg_stat_activity"),
    ):
        commit_run(fresh, run(), {})
    assert commit_run(fresh, run(), {})


def test_another_clients_commit_in_between_is_tried_again(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB alone, which knows nothing of the lock, commits while a transaction is under way."""
    tries = []

    def work(con: Con) -> int:
        (count,) = con.execute("SELECT count(*) FROM datasets").fetchall()[0]
        tries.append(count)
        if len(tries) < 3:
            with attach(fresh) as other:
                other.execute("INSERT INTO datasets (dataset) VALUES ('other')")
        con.execute("INSERT INTO datasets (dataset) VALUES ('mine')")
        return count

    assert transaction.transact(fresh, work) == 2
    assert tries == [0, 1, 2]
    assert state(fresh)[1]["datasets"] == 3


def test_a_stopped_server_is_reported_and_nothing_is_lost(
    desk: Path, signed_in: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", "prices.csv", "--dataset", "d"]) == 0
    assert main(["backtest", "--quiet", "portfolio=mine"]) == 0
    before = state(desk / "data" / "lakehouse")
    capsys.readouterr()
    signed_in.stop()
    try:
        for line in (["runs"], ["backtest", "portfolio=mine"], ["ingest", "prices.csv", "--dataset", "e"]):
            assert main(line) == UNREACHABLE
            told = capsys.readouterr().err
            assert "catalogue of lakehouse" in told and "Connection refused; see that the server runs" in told
    finally:
        signed_in.start()
    assert state(desk / "data" / "lakehouse") == before
    assert isinstance(catalog_location.existing(desk / "data" / "lakehouse"), PostgresCatalogue)
    assert SqliteCatalogue.extensions != PostgresCatalogue.extensions
