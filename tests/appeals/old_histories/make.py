"""Make the databases here: `python -m tests.appeals.old_histories.make`.

Of each migration, the last version of press3 before the next one tells `story.py` and leaves its database,
packed. (0001 alone never served: 0002, which brings the first rows, came in the same commit.) Old ones are
made once. A new migration needs the line of the one before it, with the commit that the work began at.
"""

import lzma
import os
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

HERE = Path(__file__).parent

VERSIONS: Final[Mapping[str, str]] = {
    "0002": "4f3af5b",
    "0003": "0f475f7",
    "0004": "7043825",
    "0005": "a229876",
    "0006": "f2be3f8",
    "0007": "e42942f",
    "0008": "2e2077a",
    "0009": "5672089",
    "0010": "c7ec34c",
}
"""Migration → the last commit at it. The last one: before entries had types."""


def make(migration: str, commit: str) -> None:
    with TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        database = Path(folder, "old.db")
        subprocess.run(
            [sys.executable, HERE / "story.py", database],
            cwd=folder,
            check=True,
            env={**os.environ, "PYTHONPATH": folder},
        )
        connection = sqlite3.connect(database)
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")
        connection.close()
        packed = lzma.compress(database.read_bytes(), preset=9 | lzma.PRESET_EXTREME)
    (HERE / f"{migration}.db.xz").write_bytes(packed)


if __name__ == "__main__":
    for migration, commit in VERSIONS.items():
        if not (HERE / f"{migration}.db.xz").exists():
            make(migration, commit)
