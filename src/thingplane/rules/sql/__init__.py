"""The SQL of rules, compiled to closures when a rule is saved: ``compile_sql`` gives a ``Program`` for messages."""

from thingplane.rules.sql.errors import EvaluationError, SqlError
from thingplane.rules.sql.program import Program, SqlLimits, compile_sql
from thingplane.rules.sql.row import Message, Row

__all__ = ["EvaluationError", "Message", "Program", "Row", "SqlError", "SqlLimits", "compile_sql"]
