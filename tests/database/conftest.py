"""One PostgreSQL server for the tests of a process, and an empty database for each test."""

import secrets
from collections.abc import Iterator

import pytest

from tests.support.postgresql import PostgreSQL


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    running = PostgreSQL()
    try:
        yield running.start()
    finally:
        running.remove()


@pytest.fixture
def url(server: PostgreSQL) -> str:
    """URL of an empty database."""
    return server.new_database(f"test_{secrets.token_hex(4)}")
