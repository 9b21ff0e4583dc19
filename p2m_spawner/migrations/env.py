"""Run by alembic for each upgrade, with the connection and the transaction of `p2m_spawner.schema.prepare`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,  # SQLite's as well: `prepare` begins the transaction itself
)
with context.begin_transaction():
    context.run_migrations()
