"""Marks of this folder's tests."""

import pytest

one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests of what happens before any database is asked."""
