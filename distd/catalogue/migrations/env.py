"""How alembic runs the migrations: on the connection, and in the transaction, that `catalogue.engine` hands over."""

from alembic import context

from distd.catalogue.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,  # DDL is a part of the transaction, which the engine has begun
)
with context.begin_transaction():
    context.run_migrations()
