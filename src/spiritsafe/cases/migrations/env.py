"""What Alembic runs to migrate: on the connection that it was given, within that connection's transaction."""

from alembic import context

from spiritsafe.cases.tables import METADATA

if hasattr(context, "config"):  # not where it is only imported
    context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
    context.run_migrations()
