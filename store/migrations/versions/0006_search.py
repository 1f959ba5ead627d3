"""Search by a part of a name or number: the texts of calls and appeals, and the index of their grams.

Besides, indexes for what few rows have: open pops, and what a person may read.

The database keeps the grams itself: FTS5 by triggers on SQLite, a GIN index on PostgreSQL. Whoever makes
`call_texts` or `appeal_texts` anew on SQLite (a batch operation) must make their triggers again.
"""

import itertools
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_KEYS = {"call_texts": "n", "appeal_texts": "number"}
_FTS = (
    "CREATE VIRTUAL TABLE {of}_fts USING fts5("
    "text, content='', tokenize='trigram case_sensitive 1', detail=none, columnsize=0)",
    "INSERT INTO {of}_fts({of}_fts, rank) VALUES ('automerge', 16)",
    "CREATE TRIGGER {of}_insert AFTER INSERT ON {of} BEGIN"
    " INSERT INTO {of}_fts(rowid, text) VALUES (new.{key}, new.text); END",
    "CREATE TRIGGER {of}_delete AFTER DELETE ON {of} BEGIN"
    " INSERT INTO {of}_fts({of}_fts, rowid, text) VALUES ('delete', old.{key}, old.text); END",
    "CREATE TRIGGER {of}_update AFTER UPDATE ON {of} BEGIN"
    " INSERT INTO {of}_fts({of}_fts, rowid, text) VALUES ('delete', old.{key}, old.text);"
    " INSERT INTO {of}_fts(rowid, text) VALUES (new.{key}, new.text); END",
)
# Letters are numbered once: substr(of, i, 3) counts letters from the beginning of the text each time.
_GRAMS = """
CREATE FUNCTION press3_grams(of text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS
$$ SELECT array_agg(DISTINCT a || b || c)
   FROM (SELECT letter AS a, lead(letter) OVER line AS b, lead(letter, 2) OVER line AS c
         FROM unnest(string_to_array(of, NULL)) WITH ORDINALITY AS each(letter, i)
         WINDOW line AS (ORDER BY i)) AS gram
   WHERE c IS NOT NULL $$
"""
_OPEN = sa.text("(withdrawn_at IS NULL OR (reason = 'answered_here' AND left_at IS NULL))")
# What somebody may read is looked up from him. Most calls and appeals have no such value: no entry then.
_OF_A_READER = (
    ("calls", "department_id", True),
    ("appeals", "responsible_id", True),
    ("appeals", "department_id", False),
)
_HOUR = 1 << 20
_AT_ONCE = 5000


def upgrade() -> None:
    op.create_table(
        "call_texts",
        sa.Column("call_id", sa.String(), sa.ForeignKey("calls.id"), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_call_texts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "appeal_texts",
        sa.Column("number", sa.Integer(), sa.ForeignKey("appeals.number"), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_appeal_texts")),
    )
    op.create_index("ix_call_texts_n", "call_texts", ["n"])
    if op.get_bind().dialect.name == "sqlite":
        _index_on_sqlite()
    op.create_index("ix_pops_open", "pops", ["call_id"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    for table, column, some in _OF_A_READER:
        where = sa.text(f"{column} IS NOT NULL") if some else None
        op.create_index(
            f"ix_{table}_{column}", table, [column], sqlite_where=where, postgresql_where=where
        )
    _fill("call_texts", _calls())
    _fill("appeal_texts", _appeals())
    if op.get_bind().dialect.name == "postgresql":
        _index_on_postgresql()


def _index_on_sqlite() -> None:
    for of, key in _KEYS.items():
        for statement in _FTS:
            op.execute(statement.format(of=of, key=key))


def _index_on_postgresql() -> None:
    op.execute(_GRAMS)
    for of in _KEYS:
        op.execute(f'CREATE INDEX ix_{of}_grams ON {of} USING gin (press3_grams(text) COLLATE "C")')


def _fill(name: str, rows: Iterator[dict[str, Any]]) -> None:
    """Some 50 µs a row."""
    into = sa.table(name, *(sa.column(key) for key in _COLUMNS[name]))
    while some := list(itertools.islice(rows, _AT_ONCE)):
        op.get_bind().execute(sa.insert(into), some)


_COLUMNS = {"call_texts": ("call_id", "n", "text"), "appeal_texts": ("number", "text")}


def _calls() -> Iterator[dict[str, Any]]:
    """The text of each call, numbered as `calls.storage` does: the hour, then the call within it."""
    fields = ("from_name", "from_raw", "from_e164", "to_raw", "to_e164")
    calls = sa.table(
        "calls", *map(sa.column, ("id", *fields)), sa.column("started_at", sa.DateTime(True))
    )
    hour, n = -1, 0
    for row in _pages(calls, "started_at", "id"):
        began = row["started_at"]  # naive UTC on SQLite
        of = int((began if began.tzinfo else began.replace(tzinfo=UTC)).timestamp()) // 3600
        n = n + 1 if of == hour else of * _HOUR + 1
        hour = of
        yield {"call_id": row["id"], "n": n, "text": _folded(*(row[f] for f in fields))}


def _appeals() -> Iterator[dict[str, Any]]:
    fields = ("caller_name", "gist", "caller_raw", "caller_e164")
    appeals = sa.table("appeals", *map(sa.column, ("number", *fields)))
    for row in _pages(appeals, "number"):
        yield {"number": row["number"], "text": _folded(*(row[f] for f in fields))}


def _pages(table: sa.TableClause, *order: str) -> Iterator[dict[str, Any]]:
    """Read `table` a page at a time: nobody holds a million rows, and SQLite is written to meanwhile."""
    key = sa.tuple_(*(table.c[name] for name in order))
    after: tuple[Any, ...] | None = None
    while True:
        page = sa.select(table).order_by(*(table.c[name] for name in order)).limit(_AT_ONCE)
        if after is not None:
            page = page.where(key > sa.tuple_(*after))
        rows = op.get_bind().execute(page).mappings().all()
        if not rows:
            return
        after = tuple(rows[-1][name] for name in order)
        yield from (dict(row) for row in rows)


def _folded(*fields: str | None) -> str:
    """As `store.search.folded` was when this was written."""
    words = (field.casefold().replace("ё", "е").split() for field in fields if field)
    return "\n".join("".join("  " + word for word in each) for each in words)


def downgrade() -> None:
    op.drop_index("ix_pops_open", "pops")
    for table, column, _ in _OF_A_READER:
        op.drop_index(f"ix_{table}_{column}", table)
    of_fts = op.get_bind().dialect.name == "sqlite"
    for of in _KEYS:
        op.drop_table(of)
        if of_fts:
            op.execute(f"DROP TABLE {of}_fts")
    if not of_fts:
        op.execute("DROP FUNCTION press3_grams(text)")
