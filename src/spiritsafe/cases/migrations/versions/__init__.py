"""Which versions had the tables of the cases? One module each, named for what it changes; Alembic finds them here."""
