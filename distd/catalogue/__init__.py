"""The database: connections, tables, migrations, group commit, the event log."""
