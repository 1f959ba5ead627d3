"""How long a call waited in queues, all stays together: menus and talks between them do not count.

Of calls stored before only the first entering and the last leaving are known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SECONDS = {
    "sqlite": "ROUND((julianday(queue_left_at) - julianday(queue_entered_at)) * 86400, 3)",
    "postgresql": "ROUND(EXTRACT(EPOCH FROM queue_left_at - queue_entered_at)::numeric, 3)",
}


def upgrade() -> None:
    op.add_column("calls", sa.Column("queue_wait_s", sa.Double(), nullable=True))
    seconds = _SECONDS[op.get_bind().dialect.name]
    op.execute(
        f"UPDATE calls SET queue_wait_s = {seconds} "
        "WHERE queue_entered_at IS NOT NULL AND queue_left_at IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_column("calls", "queue_wait_s")
