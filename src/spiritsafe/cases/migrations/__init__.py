"""How the cases' tables came to be, version by version (Alembic).

A version is a module in `versions`, named for what it changes. `upgrade` brings a database to the newest.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection


def config_for(connection: Connection | None = None) -> Config:
    """Alembic's configuration for our versions, on a connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Bring the tables behind a connection to the newest version, within its transaction."""
    from alembic import command

    command.upgrade(config_for(connection), "head")
