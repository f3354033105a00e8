"""Log lines on stderr: coloured on a terminal, JSON in a pipe, always with UTC time."""

import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec
import structlog

from thingplane.observability.flood import FloodGuard


def configure_logs(level: str, form: str) -> None:
    """Send structlog's lines, and those of libraries from WARNING on, to stderr.

    Args:
        level: debug, info, warning or error.
        form: console, json, or auto: console if stderr is a terminal.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer(_json)
    )
    structlog.configure(
        processors=[
            FloodGuard(),
            *shared,
            structlog.processors.StackInfoRenderer(),
            *(() if console else (structlog.processors.format_exc_info,)),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(() if console else (structlog.processors.format_exc_info,)),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))


def _json(line: Mapping[str, object], **_options: object) -> str:
    return msgspec.json.encode({name: _plain(value) for name, value in line.items()}).decode()


def _plain(value: object) -> object:
    """Return what JSON can say. Objects are shown by ``repr``, which leaves out their secrets; msgspec would not."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()  # file names may hold what is not UTF-8
    if value is None or isinstance(value, int | float):
        return value
    if type(value) in (list, tuple, set, frozenset):
        return [_plain(item) for item in cast("Iterable[object]", value)]
    if type(value) is dict:
        return {str(name): _plain(item) for name, item in value.items()}
    return repr(value)
