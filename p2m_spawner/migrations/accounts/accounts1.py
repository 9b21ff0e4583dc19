"""Accounts as the first numbered version has them; the table of a version before it has the same columns."""

import sqlalchemy as sa
from alembic import op

revision = "accounts1"
down_revision = None


def upgrade() -> None:
    """Make the table unless it is there."""
    if sa.inspect(op.get_bind()).has_table("p2m_accounts"):
        return
    op.create_table(
        "p2m_accounts",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(32), nullable=False, index=True),
        sa.Column("password_hash", sa.String(512)),
        sa.Column("temporary", sa.Boolean(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
    )
