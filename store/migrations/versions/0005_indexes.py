"""Indexes that hold at a million calls: the calls of an employee, the deadlines of what is not settled."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_legs_employee_id_call_id", "legs", ["employee_id", "call_id"])
    op.drop_index("ix_legs_employee_id", "legs")
    op.create_index("ix_appeals_phase_deadline_at", "appeals", ["phase", "deadline_at"])
    op.drop_index("ix_appeals_deadline_at", "appeals")


def downgrade() -> None:
    op.create_index("ix_appeals_deadline_at", "appeals", ["deadline_at"])
    op.drop_index("ix_appeals_phase_deadline_at", "appeals")
    op.create_index("ix_legs_employee_id", "legs", ["employee_id"])
    op.drop_index("ix_legs_employee_id_call_id", "legs")
