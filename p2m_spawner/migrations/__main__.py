"""``python -m p2m_spawner.migrations`` brings our tables in the database ``P2M_DATABASE`` up to date.

For database servers, after a backup; SQLite files are upgraded when a hub starts. The URL comes by environment, because
everybody on a machine can read command lines.
"""

import os
import sys

from sqlalchemy import create_engine
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from p2m_spawner.database import database_url
from p2m_spawner.schema import ACCOUNTS, GATEWAY, prepare


def main() -> int:
    """Upgrade what there is; 1 with a sentence when it cannot be done."""
    text = os.environ.get("P2M_DATABASE", "").strip()
    if not text:
        print("migrations: P2M_DATABASE is not set; give it the URL of the database.", file=sys.stderr)
        return 1
    try:
        engine = create_engine(database_url(text))
        for schema in (ACCOUNTS, GATEWAY):
            with engine.connect() as connection:
                is_there, before = schema.is_in(connection), schema.version_in(connection)
            if not is_there:
                print(f"migrations: no tables of {schema.name} in this database.")
            elif before == schema.head:
                print(f"migrations: the tables of {schema.name} are up to date ({schema.head}).")
            else:
                prepare(engine, schema, upgrade=True)
                print(
                    f"migrations: upgraded the tables of {schema.name} from {before or 'unnumbered'} to {schema.head}."
                )
    except (ArgumentError, ValueError):  # their texts have the URL, and so its password
        print("migrations: P2M_DATABASE is not the URL of a database.", file=sys.stderr)
        return 1
    except (SQLAlchemyError, ImportError) as problem:
        print(f"migrations: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
