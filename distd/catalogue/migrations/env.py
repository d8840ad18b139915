"""How alembic runs the migrations: on the connection, and in the transaction, that `catalogue.engine` hands over."""

from alembic import context

from distd.catalogue.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,  # SQLite's DDL is transactional once BEGIN is explicit
)
with context.begin_transaction():
    context.run_migrations()
