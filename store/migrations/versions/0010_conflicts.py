"""Conflicts of interest are stored; so are the history of a setting and how far upkeep jobs are.

The conflicts of cases stored before are written by an upkeep job, with entries in their chains. An
answer kept for an Idempotency-Key keeps a reference, status and ETag instead of the body.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_SOME = sa.text("accused_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "appeal_conflicts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("appeal_number", sa.Integer(), nullable=False),
        sa.Column("employee_id", sa.Integer(), nullable=False),
        sa.Column("degree", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=True),
        sa.Column("lifts", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["appeal_number"],
            ["appeals.number"],
            name=op.f("fk_appeal_conflicts_appeal_number_appeals"),
        ),
        sa.ForeignKeyConstraint(
            ["employee_id"],
            ["employees.id"],
            name=op.f("fk_appeal_conflicts_employee_id_employees"),
        ),
        sa.ForeignKeyConstraint(
            ["by_id"], ["employees.id"], name=op.f("fk_appeal_conflicts_by_id_employees")
        ),
        sa.ForeignKeyConstraint(
            ["lifts"],
            ["appeal_conflicts.id"],
            name=op.f("fk_appeal_conflicts_lifts_appeal_conflicts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeal_conflicts")),
        sa.UniqueConstraint("lifts", name=op.f("uq_appeal_conflicts_lifts")),
    )
    op.create_index(
        "ix_appeal_conflicts_appeal_number_employee_id",
        "appeal_conflicts",
        ["appeal_number", "employee_id"],
    )
    op.create_index(
        "ix_appeal_conflicts_employee_id_degree", "appeal_conflicts", ["employee_id", "degree"]
    )
    op.create_index(
        "ix_appeals_accused_id",
        "appeals",
        ["accused_id"],
        sqlite_where=_SOME,
        postgresql_where=_SOME,
    )
    op.create_table(
        "setting_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("old", sa.String(), nullable=True),
        sa.Column("new", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setting_changes")),
    )
    op.create_index(op.f("ix_setting_changes_name"), "setting_changes", ["name"])
    op.create_table(
        "progress",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_progress")),
    )
    op.add_column("idempotent_replies", sa.Column("reference", sa.String(), nullable=True))
    op.add_column("idempotent_replies", sa.Column("etag", sa.String(), nullable=True))
    op.drop_column("idempotent_replies", "body")
    op.drop_column("idempotent_replies", "headers")


def downgrade() -> None:
    for name in ("headers", "body"):
        op.add_column(
            "idempotent_replies", sa.Column(name, sa.JSON(), nullable=False, server_default="{}")
        )
    op.drop_column("idempotent_replies", "etag")
    op.drop_column("idempotent_replies", "reference")
    op.drop_table("progress")
    op.drop_table("setting_changes")
    op.drop_index("ix_appeals_accused_id", "appeals")
    op.drop_table("appeal_conflicts")
