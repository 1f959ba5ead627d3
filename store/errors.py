"""What can go wrong in the store, by whose fault it is."""

__all__ = [
    "AlreadyServing",
    "CommitFailed",
    "LeaseLost",
    "NewerDatabase",
    "StoreError",
    "WriterBusy",
    "WriterClosed",
    "WrittenOnce",
]


class StoreError(Exception):
    """Base of this package's errors."""


class CommitFailed(StoreError):
    """The batch was not committed, or the connection broke so that nobody knows.

    The work may be run again unchanged: work handed to the writer must bear being done twice.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"not committed: {reason}")
        self.reason = reason


class WriterBusy(StoreError):
    """Too much work waits for the one writer; nothing of this work was done."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} pieces of work wait for the writer; this one was refused")
        self.waiting = waiting


class WriterClosed(StoreError):
    """The writer is not running (not yet, or no more); nothing of this work was done."""

    def __init__(self) -> None:
        super().__init__("the writer is closed")


class LeaseLost(StoreError):
    """Another process serves this PBX now; what this one still wants to write is out of date."""

    def __init__(self, pbx: str, fence: int) -> None:
        super().__init__(
            f"another process has taken over PBX {pbx!r} (our fence was {fence}), because this one "
            "gave no sign of life; it stores nothing more, and stands by when started again"
        )
        self.pbx = pbx
        self.fence = fence


class AlreadyServing(StoreError):
    """A second service on one SQLite file; `pid` is None when the holder left none."""

    def __init__(self, database: str, pid: int | None) -> None:
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"{who} already serves {database}; stop it first")
        self.database = database
        self.pid = pid


class NewerDatabase(StoreError):
    """A schema that this program does not know; nothing was changed."""

    def __init__(self, revision: str, head: str) -> None:
        self.what = (
            f"the database is at revision {revision}, which this press3 (revision {head}) does not know: "
            "a newer press3 has used it"
        )
        self.advice = (
            "install that newer press3 again, or restore a backup made before it was installed"
        )
        super().__init__(f"{self.what} — {self.advice}")


class WrittenOnce(StoreError):
    """The program tried to change or delete a row of a table that it only adds to."""

    def __init__(self, table: str) -> None:
        super().__init__(f"rows of {table} are written once")
        self.table = table
