"""Grants and registered clients as the first numbered version has them, whatever versions before it have made."""

import sqlalchemy as sa
from alembic import op

revision = "gateway1"
down_revision = None


def upgrade() -> None:
    """Make what is missing; clients have no ``auth_method`` any more, which some had."""
    present = sa.inspect(op.get_bind())
    if not present.has_table("p2m_grants"):
        _make_grants()
    if not present.has_table("p2m_oauth_clients"):
        _make_clients()
    elif "auth_method" in {column["name"] for column in present.get_columns("p2m_oauth_clients")}:
        with op.batch_alter_table("p2m_oauth_clients") as table:
            table.drop_column("auth_method")


def _make_grants() -> None:
    op.create_table(
        "p2m_grants",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("user", sa.String(255), nullable=False, index=True),
        sa.Column("client", sa.String(255), nullable=False),
        sa.Column("client_id", sa.String(2048), nullable=False),
        sa.Column("audience", sa.String(32), nullable=False),
        sa.Column("mode", sa.String(32), nullable=False),
        sa.Column("refresh_hash", sa.String(64), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("revoked", sa.DateTime(timezone=True)),
    )


def _make_clients() -> None:
    op.create_table(
        "p2m_oauth_clients",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("secret_hash", sa.String(64)),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("allowed", sa.DateTime(timezone=True), index=True),
    )
