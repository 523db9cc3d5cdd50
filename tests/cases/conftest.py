"""Every test of the cases runs on SQLite and on a real PostgreSQL, unless it says that it needs only one."""

from __future__ import annotations

import pytest

from tests.cases.desk import Desk
from tests.postgresql import postgresql


@pytest.fixture(scope="session")
def cluster():
    with postgresql() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    return "" if request.param == "sqlite" else request.getfixturevalue("cluster").new_database()


@pytest.fixture
def desk(tmp_path, url):
    made = Desk(tmp_path, url)
    yield made
    made.close()


@pytest.fixture
def sqlite_desk(tmp_path):
    made = Desk(tmp_path, "")
    yield made
    made.close()
