"""The rows of a query of PostgreSQL, in a read-only transaction that sees one state of the database."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from perennial_trainer.contract.errors import FailedTask, RejectedTask, TaskError
from perennial_trainer.data.files.parts import Past
from perennial_trainer.data.schema import Columns

if TYPE_CHECKING:
    import pandas as pd

NAME = "the SQL query"
TIMEOUT = 15 * 60
"""Seconds for one statement, where neither the role nor the Secret (PGOPTIONS) sets a statement_timeout."""
_NO_SERVER = "&".join(  # how soon a server is given up that does not answer
    ("tcp_user_timeout=60000", "keepalives_idle=30", "keepalives_interval=10", "keepalives_count=6")
)
_SETTINGS = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "SET LOCAL TIME ZONE 'UTC'",  # a time without a zone is in UTC, as in files
    "SELECT set_config('statement_timeout', CASE current_setting('statement_timeout') WHEN '0' THEN '"
    f"{TIMEOUT}s' ELSE current_setting('statement_timeout') END, true)",
)
_SINCE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|(?<![:\w]):since\b", re.DOTALL)
_TEMPORAL = ("date", "timestamp", "timestamptz")
_IN_TASK = ("42", "0A", "21", "25", "22", "2F", "39", "P0", "54")
"""Classes of SQLSTATE whose cause is the query or its rows: the same query would fail again."""
_WITH_VALUES = ("22", "P0", "21", "39")
"""Classes whose messages may quote a value of a row."""


class PostgresQuery:
    """An open connection; the query's columns are known."""

    name = NAME
    snapshot = ""

    def __init__(self, query: str) -> None:
        self._query = query.strip().rstrip(";").rstrip()
        self._connection = _connect()
        try:
            for statement in _SETTINGS:
                self._value(statement)
            schema = next(self._execute(f"SELECT * FROM {self._rows(None)} LIMIT 0"))
            self._types = {field.name: _type_name(field) for field in schema}
        except BaseException:
            self.close()
            raise
        self.column_names: Sequence[str] = list(schema.names)

    def close(self) -> None:
        """Ends the transaction and the connection."""
        self._connection.close()

    def time_of_newest(self, n: int, columns: Columns, past: Past) -> "pd.Timestamp | None":
        """None if the time column is text or a number, which PostgreSQL does not compare with a time."""
        if self._types[str(columns.time)] not in _TEMPORAL:
            return None
        import pandas as pd

        time = _quoted(str(columns.time))
        limits = "".join(f" AND {time} {sign} {_literal(limit)}" for sign, limit in past.limits())
        value = self._value(
            f"SELECT CAST({time} AS timestamptz) FROM {self._rows(None)} WHERE {time} IS NOT NULL{limits} "
            f"ORDER BY 1 DESC OFFSET {n - 1} LIMIT 1"
        )
        return None if value is None else pd.Timestamp(value).tz_convert("UTC")

    def count(self, columns: Columns, after: "pd.Timestamp | None") -> int:
        """Exactly so many."""
        return int(self._value(f"SELECT count(*) FROM {self._rows(after)}{_newer(columns, after)}"))

    def batches(self, names: Sequence[str], columns: Columns, after: "pd.Timestamp | None") -> Iterator[Any]:
        """In the order of time and of all values, so that the same rows come in the same order."""
        if not names:
            return
        selected = ", ".join(f"{self._expression(name, columns)} AS {_quoted(name)}" for name in names)
        places = sorted(range(1, len(names) + 1), key=lambda place: (names[place - 1] != columns.time, place))
        order = ", ".join(map(str, places))
        rows = self._execute(f"SELECT {selected} FROM {self._rows(after)}{_newer(columns, after)} ORDER BY {order}")
        schema = next(rows)
        empty = True
        for batch in rows:
            empty = False
            yield pa.Table.from_batches([batch]).replace_schema_metadata()
        if empty:
            yield schema.empty_table()

    def _rows(self, after: "pd.Timestamp | None") -> str:
        """The query as a table. A line break ends a comment at its end."""
        since = "TIMESTAMPTZ '-infinity'" if after is None else _literal(after)
        query = _SINCE.sub(lambda match: since if match[0] == ":since" else match[0], self._query)
        return f"(\n{query}\n) AS perennial_rows"

    def _expression(self, name: str, columns: Columns) -> str:
        """The column with a type that is read in one way: numbers as numbers, anything else unusual as text."""
        kind, column = self._types[name], _quoted(name)
        if kind == "numeric":
            is_text = name in columns.as_text
            return f"CAST(trim_scale({column}) AS text)" if is_text else f"CAST({column} AS double precision)"
        if kind == "nested":
            raise RejectedTask(
                "NestedColumn",
                f"column {name} has several values in a row: select each as a column of its own, or remove the column "
                "from model.features",
            )
        return column if kind in ("plain", *_TEMPORAL) else f"CAST({column} AS text)"

    def _value(self, statement: str) -> Any:
        """The first value of the first row, or None."""
        rows = self._execute(statement)
        next(rows)
        values = [value for batch in rows if batch.num_columns for value in batch.column(0).to_pylist()]
        return values[0] if values else None

    def _execute(self, statement: str) -> Iterator[Any]:
        """The schema of the result, and its batches of some megabytes each."""
        with _translated(), self._connection.cursor() as cursor:
            cursor.execute(statement)
            reader = cursor._results.reader  # the errors of fetch_record_batch() have no SQLSTATE
            yield reader.schema
            yield from reader


def _newer(columns: Columns, after: "pd.Timestamp | None") -> str:
    return "" if after is None else f" WHERE {_quoted(str(columns.time))} > {_literal(after)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(time: "pd.Timestamp") -> str:
    return f"TIMESTAMPTZ '{time.isoformat(timespec='microseconds')}'"


def _type_name(field: Any) -> str:
    """`numeric`, `date`, `timestamp`, `timestamptz`, `plain`, `nested`, or another name."""
    name = str((field.metadata or {}).get(b"POSTGRESQL:type", b""), "utf-8")
    if pa.types.is_nested(field.type):
        return "nested"
    if pa.types.is_boolean(field.type) or pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
        return "plain"
    return name


def _connect() -> Any:
    """A connection to the database that the Secret's variables name. No message has any of them."""
    dsn = os.environ.get("uri", "")  # noqa: SIM112 - a key of the Secrets that CloudNativePG and others write
    if (dsn and not re.match("postgres(ql)?://", dsn)) or not (dsn or os.environ.get("PGHOST")):
        raise RejectedTask(
            "StoreNotConfigured",
            "no PostgreSQL server is configured: the Secret that sql.secretRef names needs PGHOST, PGUSER, PGPASSWORD "
            "and PGDATABASE, or a uri that is that of a PostgreSQL server",
        )
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise RejectedTask(
            "LibraryNotInstalled",
            "this image cannot read from a database: use the trainer's image, or install adbc-driver-postgresql in "
            "your own",
        ) from error
    os.environ.setdefault("PGCONNECT_TIMEOUT", "30")
    os.environ.setdefault("PGAPPNAME", "perennial")
    dsn = dsn or "postgresql://"
    with _translated():
        return dbapi.connect(f"{dsn}{'&' if '?' in dsn else '?'}{_NO_SERVER}")


@contextmanager
def _translated() -> Iterator[None]:
    """An error of the query is a RejectedTask, any other error of the database a FailedTask."""
    from adbc_driver_manager import Error

    try:
        yield
    except TaskError:
        raise
    except Error as error:
        raise _task_error(error) from None  # the driver's text may have the query, the address and values


def _task_error(error: Exception) -> TaskError:
    state, text = str(getattr(error, "sqlstate", None) or ""), _message(str(error))
    if state.startswith(_IN_TASK):
        if state.startswith(_WITH_VALUES):
            text = _without_quoted(text)
        if state == "25006":
            text += "; only a query that reads is allowed"
        return RejectedTask("QueryRefused", f"{NAME} was refused by the database ({text}): correct it")
    if state == "57014":
        text = (
            f"a statement took longer than the statement_timeout, {TIMEOUT // 60} minutes if none is set: make "
            "the query faster, or set PGOPTIONS in the Secret, such as -c statement_timeout=3600s"
        )
        return FailedTask("DataUnreachable", f"{NAME} was ended by the database: {text}")
    return FailedTask("DataUnreachable", f"the database of {NAME} cannot be read: {_without_quoted(text)}")


def _message(text: str) -> str:
    """What the server or the client library says, without its prefix, the statement and the address."""
    error = re.search(r"(?:ERROR|FATAL|PANIC):\s*(.*)", text)
    if error:
        return error[1]
    return re.split("failed: |to connect: ", text)[-1].split("\n")[0]


def _without_quoted(text: str) -> str:
    """Names of hosts, users and databases, and values of rows, are in quotes."""
    return re.sub(r"\"[^\"]*\"|'[^']*'|\([^)]*\)", "…", text)
