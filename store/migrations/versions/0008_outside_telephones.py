"""An outside telephone is a leg with a number, and a call says which side ended it. No table is rewritten."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("legs", sa.Column("number", sa.String(), nullable=True))
    op.add_column("calls", sa.Column("ended_by", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("calls", "ended_by")
    op.drop_column("legs", "number")
