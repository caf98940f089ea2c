"""A real PostgreSQL for tests and measurements, from a wheel; it needs no root, and root starts it as another user."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_postgresql import dbapi

PASSWORD = "wrong-horse-42"
OTHER_USER = 65534
START = 30
"""Seconds."""


@dataclass(frozen=True)
class Postgres:
    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    @contextmanager
    def started(cls, folder: Path) -> Iterator[Postgres]:
        """A server of its own, which ends with the block. Its role `trainer` may only read."""
        as_other: dict[str, Any] = {}
        if os.getuid() == 0:
            as_other = {"user": OTHER_USER, "group": OTHER_USER, "extra_groups": []}
            for parent in [folder, *folder.parents]:  # pytest's folders are for root alone
                if parent.stat().st_mode & 0o001 == 0:
                    parent.chmod(parent.stat().st_mode | 0o011)
            os.chown(folder, OTHER_USER, OTHER_USER)
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        data, port = folder / "data", free_port()
        options = ["-A", "scram-sha-256", "-U", "owner", "--pwfile", password, "--no-sync", "-E", "UTF8", "--no-locale"]
        command = [program("initdb"), "-D", data, *options]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **as_other)
        settings = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "autovacuum=off", "timezone=Asia/Tokyo")
        command = [program("postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder]
        command += [word for setting in settings for word in ("-c", setting)]
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, **as_other) as process:
            try:
                postgres = cls(port, process)
                postgres._wait()
                postgres.execute(f"CREATE ROLE trainer LOGIN PASSWORD '{PASSWORD}'")
                postgres.execute("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO trainer")
                yield postgres
            finally:
                process.send_signal(signal.SIGINT)  # ends open sessions, too

    @property
    def environment(self) -> dict[str, str]:
        """The Secret of a pod."""
        names = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "trainer", "PGDATABASE": "postgres"}
        return names | {"PGPASSWORD": PASSWORD}

    def uri(self, user: str = "trainer") -> str:
        return f"postgresql://{user}:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def connect(self) -> Any:
        return dbapi.connect(self.uri("owner"), autocommit=True)

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def write(self, frame: pd.DataFrame, table: str, mode: str = "create") -> None:
        """The table has the rows of the frame."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(table, pa.Table.from_pandas(frame, preserve_index=False), mode=mode)

    def empty(self) -> None:
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in (
                "DROP SCHEMA public CASCADE",
                "CREATE SCHEMA public",
                "GRANT USAGE ON SCHEMA public TO PUBLIC",
            ):
                cursor.execute(statement)

    def _wait(self) -> None:
        """It answers."""
        deadline = pd.Timestamp.now() + pd.Timedelta(seconds=START)
        while True:
            try:
                self.execute("SELECT 1")
                return
            except Error:
                if self.process.poll() is not None or pd.Timestamp.now() > deadline:
                    raise


def program(name: str) -> Path:
    spec = importlib.util.find_spec("pgserver")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def free_port() -> int:
    with socket.socket() as any_free:
        any_free.bind(("127.0.0.1", 0))
        return int(any_free.getsockname()[1])
