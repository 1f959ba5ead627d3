"""Which calls each blind window brought, instead of how many: its numbers are counted from them.

Of windows before, it is the calls with something recovered that went on in the window.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_CALLS_OF_WINDOWS = """
INSERT INTO recoveries (window_id, call_id, press)
SELECT w.id, c.id, c.pressed_at IS NOT NULL AND c.pressed_at >= w.started_at
    AND (w.ended_at IS NULL OR c.pressed_at <= w.ended_at)
FROM blind_windows w JOIN calls c ON c.pbx = w.pbx AND c.recovered
WHERE (w.ended_at IS NULL OR (w.calls_recovered > 0 AND c.started_at <= w.ended_at))
    AND (c.ended_at IS NULL OR c.ended_at >= w.started_at)
"""
_COUNTED = """
UPDATE blind_windows SET
    calls_recovered = (SELECT COUNT(*) FROM recoveries r WHERE r.window_id = blind_windows.id),
    appeals_recovered =
        (SELECT COUNT(*) FROM recoveries r WHERE r.window_id = blind_windows.id AND r.press)
"""
_COUNTERS = ("calls_recovered", "appeals_recovered")


def upgrade() -> None:
    op.create_table(
        "recoveries",
        sa.Column("window_id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("press", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["window_id"], ["blind_windows.id"], name=op.f("fk_recoveries_window_id_blind_windows")
        ),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_recoveries_call_id_calls")
        ),
        sa.PrimaryKeyConstraint("window_id", "call_id", name=op.f("pk_recoveries")),
    )
    op.execute(_CALLS_OF_WINDOWS)
    for counter in _COUNTERS:
        op.drop_column("blind_windows", counter)


def downgrade() -> None:
    for counter in _COUNTERS:
        op.add_column(
            "blind_windows", sa.Column(counter, sa.Integer(), nullable=False, server_default="0")
        )
    op.execute(_COUNTED)
    op.drop_table("recoveries")
