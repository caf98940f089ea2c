"""Rows of a query: the same as those of files, in a read-only transaction, by the window, and no secret in a message."""

import socket
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from perennial_trainer.contract.data import DataSource, RecentData, SqlQuery
from perennial_trainer.contract.errors import RejectedTask, TaskError
from perennial_trainer.contract.features.columns import Features
from perennial_trainer.data import memory
from perennial_trainer.data.load import load_rows
from perennial_trainer.data.notes import Notes
from perennial_trainer.data.schema import Columns
from perennial_trainer.drift.recent_rows.selection import recent_batches
from tests.postgres import PASSWORD, Postgres, free_port
from tests.trainer.tasks import ABSENT, Trainer, a_check, a_training, diabetes, written

COLUMNS = Columns(Features(numeric=("temp",), categorical=("season",)), "cnt", "regression", "day")
NOW = pd.Timestamp("2026-11-20T12:00:00Z").to_pydatetime()
QUERY = "SELECT * FROM rides"


def source(query: str = QUERY) -> DataSource:
    return DataSource(sql=SqlQuery(query=query))


def history(days: int = 300) -> pd.DataFrame:
    times = pd.date_range(end="2026-11-20", periods=days, freq="D", tz="UTC")
    numbers = pd.Series(range(days), dtype=float)
    return pd.DataFrame({"temp": numbers % 7, "season": "s", "cnt": numbers, "day": times})


@pytest.fixture
def rides(postgres: Postgres) -> Postgres:
    postgres.write(history().sample(frac=1, random_state=0), "rides")
    return postgres


def refusal(query: str = QUERY, **options: Any) -> TaskError:
    with pytest.raises(TaskError) as refused:
        load_rows(source(query), COLUMNS, NOW, **options)
    for secret in (PASSWORD, "127.0.0.1", "trainer", "postgresql://"):
        assert secret not in refused.value.message
    return refused.value


@pytest.mark.parametrize("secret", ["variables", "uri"])
def test_query_makes_same_model_as_its_rows_in_a_file(
    trainer: Trainer, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    if secret == "uri":
        for name in postgres.environment:
            monkeypatch.delenv(name)
        monkeypatch.setenv("uri", postgres.uri())
    postgres.write(diabetes().sample(frac=1, random_state=0), "patients")
    file = a_training(written(diabetes(), tmp_path / "a.parquet"), (tmp_path / "v1").as_uri(), data__timeColumn="day")
    table = a_training("", (tmp_path / "v2").as_uri(), data__timeColumn="day", data__uri=ABSENT)
    table["data"]["sql"] = {"query": "SELECT * FROM patients -- all;"}
    of_file, of_table = trainer.done(file), trainer.done(table)
    assert of_table["data"]["sha256"] == of_file["data"]["sha256"]
    assert of_table["artifact"]["sha256"] == of_file["artifact"]["sha256"]
    check = a_check(table, of_table, "", data__uri=ABSENT, data__window="24h", data__timeColumn="day")
    check["data"]["sql"] = {"query": "SELECT * FROM patients WHERE day > :since"}
    assert trainer.done(check)["samples"] == 24


@pytest.mark.parametrize(
    ("window", "rows"), [("all", 300), ("auto", 300), ("90d", 90), (50, 50), (10_000, 300), ("9000d", 300)]
)
@pytest.mark.parametrize("query", [QUERY, "SELECT * FROM rides WHERE day > :since OR ':since' = '' -- :since"])
def test_rows_are_those_of_the_window(rides: Postgres, query: str, window: str | int, rows: int) -> None:
    loaded = load_rows(source(query), COLUMNS, NOW, window=window)
    assert loaded.target.tolist() == list(range(300 - rows, 300))
    recent = RecentData(sql=SqlQuery(query=query), time_column="day", window=window)
    assert sum(map(len, recent_batches(recent, COLUMNS, NOW))) == rows


def test_database_sends_only_rows_of_the_window(rides: Postgres) -> None:
    rides.execute("UPDATE rides SET temp = 'NaN' WHERE day < '2026-08-01'")  # fails where such a row is computed
    failing = "SELECT *, CASE WHEN temp = 'NaN' THEN 1 / CAST(cnt - cnt AS int) ELSE 1 END AS one FROM rides WHERE day > :since"
    columns = Columns(Features(numeric=("temp", "one"), categorical=()), "cnt", "regression", "day")
    assert len(load_rows(source(failing), columns, NOW, window="90d")) == 90
    with pytest.raises(RejectedTask, match="division by zero"):
        load_rows(source(failing), columns, NOW)


def test_automatic_window_has_newest_rows_that_fit(rides: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    notes, limit = Notes(), memory.IDLE + memory.COPIES * 101 * COLUMNS.bytes_per_row
    monkeypatch.setattr("perennial_trainer.data.memory.memory_limit", lambda: limit)
    assert len(load_rows(source(), COLUMNS, NOW, notes, window="auto")) == 100
    assert notes.not_read == "2026-08-12T00:00:00Z"
    assert len(load_rows(source(), COLUMNS, NOW, window="90d")) == 90
    assert refusal().reason == "DataTooLarge"


def test_rows_of_the_future_move_no_window(rides: Postgres) -> None:
    rides.execute("INSERT INTO rides VALUES (1, 's', 1, '2031-01-01')")
    notes = Notes()
    assert len(load_rows(source(), COLUMNS, NOW, notes, window="90d")) == 90
    assert notes.future_rows == 1


TYPES = {
    "numeric": ("temp NUMERIC(10, 2)", "12.50, NULL, 'NaN'", [12.5, None, None]),
    "integer": ("temp BIGINT", "1, NULL, 3", [1, None, 3]),
    "real": ("temp REAL", "0.5, NULL, 'Infinity'", [0.5, None, None]),
    "boolean": ("temp BOOLEAN", "true, NULL, false", [1, None, 0]),
    "text": ("temp TEXT", "'1.5', NULL, ''", [1.5, None, None]),
    "numeric category": ("season NUMERIC(10, 2)", "3.00, NULL, 1.50", ["3", None, "1.5"]),
    "integer category": ("season SMALLINT", "1, NULL, -2", ["1", None, "-2"]),
    "boolean category": ("season BOOLEAN", "true, NULL, false", ["true", None, "false"]),
    "padded category": ("season CHAR(4)", "'ab', NULL, 'abcd'", ["ab", None, "abcd"]),
    "uuid category": ("season UUID", "'0c3b9a52-0000-4000-8000-000000000001', NULL, NULL", ["0c3b9a52-0000-4000-8000-000000000001", None, None]),
    "date category": ("season DATE", "'2026-01-02', NULL, NULL", ["2026-01-02", None, None]),
    "json category": ("season JSONB", "'1', NULL, 'true'", ["1", None, "true"]),
    "timestamptz": ("day TIMESTAMPTZ", "'2026-01-02 01:00+09', NULL, '2026-01-02'", ["2026-01-01T16:00:00", None, "2026-01-01T15:00:00"]),
    "timestamp": ("day TIMESTAMP", "'2026-01-02 01:00', NULL, '2026-01-02'", ["2026-01-02T01:00:00", None, "2026-01-02T00:00:00"]),
    "date": ("day DATE", "'2026-01-02', NULL, '2026-01-01'", ["2026-01-02T00:00:00", None, "2026-01-01T00:00:00"]),
    "epoch": ("day BIGINT", "1767312000, NULL, 1767225600", ["2026-01-02T00:00:00", None, "2026-01-01T00:00:00"]),
    "iso text": ("day TEXT", "'2026-01-02', NULL, '2026-01-01'", ["2026-01-02T00:00:00", None, "2026-01-01T00:00:00"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TYPES)
def test_each_type_of_a_column_is_read_as_from_files(postgres: Postgres, case: str) -> None:
    declared, values, expected = TYPES[case]
    name = declared.split()[0]
    rows = ", ".join(f"({number}, {value})" for number, value in enumerate(values.split(", ")))
    postgres.execute(f"CREATE TABLE typed (cnt DOUBLE PRECISION, {declared})")
    postgres.execute(f"INSERT INTO typed VALUES {rows}")
    others = {"temp": "1.0 AS temp", "season": "'s' AS season", "day": "now() AS day"}
    selected = ", ".join(text for column, text in others.items() if column != name)
    loaded = load_rows(source(f"SELECT *, {selected} FROM typed ORDER BY cnt"), COLUMNS)
    column = loaded.time if name == "day" else loaded.features[name]
    assert column is not None
    texts = [
        None if pd.isna(each) else each.strftime("%Y-%m-%dT%H:%M:%S") if name == "day" else each for each in column
    ]
    assert [texts[place] for place in loaded.target.argsort()] == expected
    if name == "day":
        assert (
            load_rows(source("SELECT *, 1.0 AS temp, 's' AS season FROM typed"), COLUMNS, window="1h").target.tolist()[
                -1
            ]
            == 0
        )


REFUSED = {
    "writes": ("INSERT INTO rides SELECT * FROM rides", "QueryRefused", "syntax error"),
    "writes within": ("WITH gone AS (DELETE FROM rides RETURNING *) SELECT * FROM gone", "QueryRefused", "must be at the top level"),
    "writes by a function": ("SELECT *, lo_create(0) FROM rides", "QueryRefused", "read-only transaction; only a query that reads"),
    "leaves the transaction": ("SELECT 1) AS x; COMMIT; DROP TABLE rides; SELECT * FROM (SELECT 1", "QueryRefused", "multiple commands"),
    "may write again": ("SELECT *, set_config('transaction_read_only', 'off', false) FROM rides", "QueryRefused", "read-write mode"),
    "unknown table": ("SELECT * FROM rentals", "QueryRefused", 'relation "rentals" does not exist'),
    "column of the query is gone": ("SELECT temp, humidity FROM rides", "QueryRefused", 'column "humidity" does not exist'),
    "needed column is gone": ("SELECT cnt, day, season, 1 AS t FROM rides", "MissingColumn", "column temp is missing; the columns are cnt, day, season, t"),
    "no right": ("SELECT * FROM pg_authid", "QueryRefused", "permission denied"),
    "value of a row": ("SELECT cnt, day, season, CAST(season AS int) AS temp FROM rides", "QueryRefused", "invalid input syntax for type integer: …"),
    "list": ("SELECT ARRAY[1] AS temp, cnt, day, season FROM rides", "NestedColumn", "several values"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_query_that_does_not_read_rows_is_refused(rides: Postgres, case: str) -> None:
    query, reason, words = REFUSED[case]
    refused = refusal(query)
    assert (type(refused), refused.reason) == (RejectedTask, reason)
    assert words in refused.message
    assert rides.execute("SELECT count(*) FROM rides") == [(300,)]


def test_empty_answer_is_no_row(rides: Postgres) -> None:
    assert len(load_rows(source(f"{QUERY} WHERE false;"), COLUMNS, NOW, window="90d")) == 0


def test_number_of_rows_needs_a_time(rides: Postgres) -> None:
    with pytest.raises(RejectedTask, match="the rows of the SQL query have no order"):
        load_rows(source(), Columns(COLUMNS.features, "cnt", "regression", None), NOW, window=50)


def test_rows_without_a_time_column_come_in_one_order(rides: Postgres) -> None:
    columns = Columns(COLUMNS.features, "cnt", "regression", None)
    shuffled = load_rows(source(f"{QUERY} ORDER BY random()"), columns)
    assert shuffled.fingerprint == load_rows(source(), columns).fingerprint


UNREACHABLE = {
    "password": ({"PGPASSWORD": "wrong-password"}, "password authentication failed for user …"),
    "server": ({"PGPORT": "1"}, "Connection refused"),
    "host": ({"PGHOST": "database.invalid"}, "could not translate host name …"),
    "database": ({"PGDATABASE": "rentals"}, "database … does not exist"),
    "slow": ({"PGOPTIONS": "-c statement_timeout=50"}, "took longer than the statement_timeout"),
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_database_without_answer_is_no_fault_of_the_model(
    rides: Postgres, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    changes, words = UNREACHABLE[case]
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    refused = refusal(f"{QUERY}, pg_sleep(60) AS slept" if case == "slow" else QUERY)
    assert (refused.outcome, refused.reason) == ("Failed", "DataUnreachable")
    assert words in refused.message


def test_server_that_goes_away_fails_the_task(rides: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    rides.execute("ALTER ROLE trainer SET statement_timeout = '55s'")
    ending = "SELECT *, pg_terminate_backend(pg_backend_pid()) FROM rides"
    refused = refusal(ending)
    rides.execute("ALTER ROLE trainer RESET statement_timeout")
    assert (refused.outcome, refused.reason) == ("Failed", "DataUnreachable")
    with socket.create_server(("127.0.0.1", free_port())) as silent:
        monkeypatch.setenv("PGPORT", str(silent.getsockname()[1]))
        closing = threading.Thread(target=lambda: silent.accept()[0].close())
        closing.start()
        assert refusal().reason == "DataUnreachable"
        closing.join()


@pytest.mark.parametrize("uri", [None, "mysql://reader:wrong-horse-42@db/shop", "wrong-horse-42"])
def test_secret_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch, uri: str | None) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    if uri:
        monkeypatch.setenv("uri", uri)
    refused = refusal()
    assert refused.reason == "StoreNotConfigured" and "sql.secretRef names needs PGHOST" in refused.message
