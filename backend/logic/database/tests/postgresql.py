"""A real PostgreSQL server, from the binaries installed on this machine."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.processes import free_port

# The server refuses to run as root.
USER = "nobody" if os.geteuid() == 0 else None


def binary(name: str) -> str:
    """Return the path of a server program (Debian: off PATH); without it, skip the test, but not in CI."""
    found = shutil.which(name) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    if found is None:
        missing = f"no {name} on this machine: install PostgreSQL's server (Debian: postgresql, pgbouncer)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return found


@dataclass(frozen=True)
class PostgreSQL:
    folder: Path
    port: int
    names: Iterator[int] = field(default_factory=count)

    def control(self, *arguments: str) -> None:
        run(binary("pg_ctl"), "--pgdata", str(self.folder / "data"), "--wait", *arguments)

    def start(self) -> None:
        options = f"-F -p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        self.control("start", "--log", str(self.folder / "log"), "--options", options)

    def kill(self) -> None:
        """Stop the server as a crash would, whatever is under way."""
        self.control("stop", "--mode", "immediate")

    def execute(self, sql: str, database: str = "postgres") -> list[Any]:
        with self.connect(database) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def connect(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password="p@ss/word",
            dbname=database,
            autocommit=True,
        )

    def new_database(self) -> str:
        """Create an empty database with an owner of its own; return its name."""
        name = f"pair_{next(self.names)}"
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p@ss/word'")
        self.execute(f"CREATE DATABASE {name} OWNER {name}")
        return name

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{database}:p%40ss%2Fword@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def standby(self) -> Iterator["PostgreSQL"]:
        """Run a copy of this server that follows it and can only be read."""
        with tempfile.TemporaryDirectory() as name:
            folder, source = Path(name), f"host=127.0.0.1 port={self.port} user=postgres password=p@ss/word"
            if USER:
                shutil.chown(folder, USER)
            run(
                binary("pg_basebackup"),
                "-d",
                source,
                "-D",
                str(folder / "data"),
                "-R",
                "-c",
                "fast",
                "-X",
                "stream",
            )
            copy = PostgreSQL(folder, free_port())
            copy.start()
            try:
                yield copy
            finally:
                copy.kill()


def run(*command: str) -> None:
    # Not captured: the server that pg_ctl starts would keep the pipe open.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command, user=USER, cwd="/", stdout=output, stderr=output, check=False, timeout=100
        )
        output.seek(0)
        assert done.returncode == 0, output.read().decode()


@contextmanager
def running() -> Iterator[PostgreSQL]:
    """Run a server that sorts text by the rules of a language, not by code point."""
    initdb = binary("initdb")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "password").write_text("p@ss/word")
        if USER:
            for path in (folder, folder / "password"):
                shutil.chown(path, USER)
        run(
            initdb,
            *("--pgdata", str(folder / "data"), "--username", "postgres", "--no-sync"),
            *("--auth", "scram-sha-256", "--pwfile", str(folder / "password")),
            *(
                "--encoding",
                "UTF8",
                "--locale",
                "C.UTF-8",
                "--locale-provider",
                "icu",
                "--icu-locale",
                "en-US",
            ),
        )
        server = PostgreSQL(folder, free_port())
        server.start()
        try:
            yield server
        finally:
            print((folder / "log").read_text()[-5000:])
            server.kill()
