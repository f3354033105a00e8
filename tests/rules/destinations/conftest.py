import pytest


@pytest.fixture
def database_url(tmp_path: object) -> str:
    """On one kind of database: rules and the log meet the other one in the tests of operations and of the log."""
    return f"sqlite:///{tmp_path}/thingplane.sqlite3"
