"""The entrance: failures by address and device, sessions that idle, second factor, audit.

`server_secrets` gets the key that signs device cookies.
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "employees",
        sa.Column("must_change", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("employees", sa.Column("totp_secret", sa.LargeBinary(20)))
    op.add_column("employees", sa.Column("totp_since", sa.DateTime(timezone=True)))
    op.add_column("employees", sa.Column("totp_step", sa.Integer()))
    for name in ("seen_at", "idle_at"):
        op.add_column("sessions", sa.Column(name, sa.DateTime(timezone=True)))
    for table in ("sessions", "listenings"):
        op.add_column(table, sa.Column("address", sa.String()))
        op.add_column(table, sa.Column("agent", sa.String()))
    _login_attempts()
    _audit()
    made = op.create_table(
        "server_secrets",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_server_secrets")),
    )
    op.bulk_insert(made, [{"name": "device", "value": secrets.token_bytes(32)}])


def _login_attempts() -> None:
    op.add_column("login_attempts", sa.Column("network", sa.String()))
    op.add_column("login_attempts", sa.Column("device", sa.String()))
    op.add_column(
        "login_attempts",
        sa.Column("forgiven", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index(op.f("ix_login_attempts_at"), "login_attempts", ["at"])
    op.create_index("ix_login_attempts_network_at", "login_attempts", ["network", "at"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("actor_id", sa.Integer()),
        sa.Column("subject_id", sa.Integer()),
        sa.Column("address", sa.String()),
        sa.Column("agent", sa.String()),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["employees.id"], name=op.f("fk_audit_actor_id_employees")
        ),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["employees.id"], name=op.f("fk_audit_subject_id_employees")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"])
    op.create_index("ix_audit_kind_id", "audit", ["kind", "id"])
    op.create_index("ix_audit_actor_id_id", "audit", ["actor_id", "id"])
    op.create_index("ix_audit_subject_id_id", "audit", ["subject_id", "id"])


def downgrade() -> None:
    op.drop_table("server_secrets")
    op.drop_table("audit")
    op.drop_index("ix_login_attempts_network_at", "login_attempts")
    op.drop_index(op.f("ix_login_attempts_at"), "login_attempts")
    for name in ("forgiven", "device", "network"):
        op.drop_column("login_attempts", name)
    for table in ("listenings", "sessions"):
        for name in ("agent", "address"):
            op.drop_column(table, name)
    for name in ("idle_at", "seen_at"):
        op.drop_column("sessions", name)
    for name in ("totp_step", "totp_since", "totp_secret", "must_change"):
        op.drop_column("employees", name)
