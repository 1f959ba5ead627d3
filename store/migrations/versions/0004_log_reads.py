"""How far queue_log and the CDR file of each PBX were read."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_reads",
        sa.Column("pbx", sa.String(), nullable=False),
        sa.Column("log", sa.String(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pbx", "log", name=op.f("pk_log_reads")),
    )


def downgrade() -> None:
    op.drop_table("log_reads")
