"""A store of each kind, and a real Postgres server that the tests start and end."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assay.store import Store


def binaries() -> Path | None:
    """The newest server that is installed, or the one in $PG_BIN."""
    places = [Path(os.environ["PG_BIN"])] if "PG_BIN" in os.environ else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    places += [Path(found).parent] if found else []
    return next((each for each in places if (each / "initdb").exists() and (each / "pg_ctl").exists()), None)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server without its database; skips where there is none to start."""
    programs = binaries()
    if programs is None:
        pytest.skip("no Postgres server is installed: neither under /usr/lib/postgresql nor on the path nor in PG_BIN")
    pytest.importorskip("pg8000", reason="the driver for Postgres, pg8000, is not installed")
    with tempfile.TemporaryDirectory(prefix="assay-pg-", ignore_cleanup_errors=True) as name:
        folder, user, before = Path(name), pwd.getpwuid(os.getuid()).pw_name, []
        if os.getuid() == 0:   # which initdb refuses
            user, before = "postgres", ["runuser", "-u", "postgres", "--"]
            shutil.chown(folder, "postgres", "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data = folder / "data"
        (folder / "password").write_text("s3cret\n")
        if os.getuid() == 0:
            shutil.chown(folder / "password", "postgres")
        subprocess.run([*before, str(programs / "initdb"), "-D", str(data), "-U", user, "-A", "scram-sha-256", "--pwfile", str(folder / "password"),
                        "--no-sync", "-E", "UTF8", "--locale=C"], cwd=folder, check=True, capture_output=True)
        options = f"-p {port} -k '' -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60"
        subprocess.run([*before, str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start"],
                       cwd=folder, check=True, stdout=subprocess.DEVNULL)
        try:
            yield f"postgresql://{user}:s3cret@127.0.0.1:{port}"
        finally:
            subprocess.run([*before, str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop"], cwd=folder, check=False,
                           capture_output=True)


def fresh(server: str) -> str:
    """The URL of an empty database: always the same one, whose tables are dropped, as to make one takes a second."""
    import pg8000.dbapi as driver

    from assay.store._pg8000 import _arguments

    connection = driver.connect(**_arguments(f"{server}/postgres")[0])
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("drop schema public cascade")
    cursor.execute("create schema public")
    connection.close()
    return f"{server}/postgres"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path) -> str:
    """Where a new store may be made, of each kind."""
    return str(tmp_path / "store.db") if request.param == "sqlite" else fresh(request.getfixturevalue("server"))


@pytest.fixture
def opened(url) -> Iterator[Callable[[], Store]]:
    """Opens the same store again and again."""
    stores: list[Store] = []

    def make() -> Store:
        stores.append(Store(url))
        return stores[-1]

    yield make
    for each in stores:
        each.close()


@pytest.fixture
def store(opened) -> Store:
    return opened()
