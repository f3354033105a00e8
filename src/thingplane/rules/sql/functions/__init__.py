"""The functions of rule SQL, by their names in lower case."""

from typing import Final

from thingplane.rules.sql.functions.function import Function
from thingplane.rules.sql.functions.maths import FUNCTIONS as MATHS
from thingplane.rules.sql.functions.messages import FUNCTIONS as MESSAGES
from thingplane.rules.sql.functions.texts import FUNCTIONS as TEXTS

FUNCTIONS: Final[dict[str, Function]] = {
    name.lower(): function for name, function in (MATHS | TEXTS | MESSAGES).items()
}

__all__ = ["FUNCTIONS", "Function"]
