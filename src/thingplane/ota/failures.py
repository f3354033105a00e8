"""Why a transaction failed, as far as it may be tried again."""

from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

MOST_COLLISIONS: Final = 20
"""Times that others may be quicker with tasks of the same devices."""


def is_collision(error: Exception) -> bool:
    """Tell whether a transaction failed because of others: they made tasks of the same devices, or waited for it.

    What they have made is there to be seen by the next try.
    """
    # PostgreSQL: serialization failure, deadlock.
    return isinstance(error, IntegrityError) or _sqlstate(error) in {"40001", "40P01"}


def is_away(error: Exception) -> bool:
    """Tell whether the database cannot be used now, whatever is asked of it."""
    if isinstance(error, OSError | OperationalError | InterfaceError):
        return True
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    # PostgreSQL: connection exceptions, operator intervention.
    return is_lost or _sqlstate(error)[:3] in {"080", "57P"}


def _sqlstate(error: Exception) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
