"""Texts of times by the patterns of Java's SimpleDateFormat, in English."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, TypeAlias

from thingplane.rules.sql.errors import Failure

Piece: TypeAlias = Callable[[datetime], str]

MAX_PATTERN: Final = 128
_PARTS: Final = re.compile(r"''|'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']+")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CHINA: Final = timedelta(hours=8)


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()


def _signed(moment: datetime, separator: str) -> str:
    minutes = round(_offset(moment).total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}{separator}{abs(minutes) % 60:02d}"


def _zone_name(moment: datetime) -> str:
    offset = _offset(moment)
    if not offset:
        return "UTC"
    return "CST" if offset == _CHINA else f"GMT{_signed(moment, ':')}"


def _iso_offset(width: int) -> Piece:
    def piece(moment: datetime) -> str:
        if not _offset(moment):
            return "Z"
        return _signed(moment, "")[:3] if width == 1 else _signed(moment, "" if width == 2 else ":")

    return piece


def _numeric(field: Callable[[datetime], int]) -> Callable[[int], Piece]:
    def of_width(width: int) -> Piece:
        return lambda moment: str(field(moment)).zfill(width)

    return of_width


def _month(width: int) -> Piece:
    if width < 3:
        return lambda moment: str(moment.month).zfill(width)
    return lambda moment: _MONTHS[moment.month - 1][: 3 if width == 3 else None]


def _year(width: int) -> Piece:
    if width == 2:
        return lambda moment: f"{moment.year % 100:02d}"
    return lambda moment: str(moment.year).zfill(width)


_LETTERS: Final[dict[str, Callable[[int], Piece]]] = {
    "y": _year,
    "M": _month,
    "d": _numeric(lambda moment: moment.day),
    "H": _numeric(lambda moment: moment.hour),
    "k": _numeric(lambda moment: moment.hour or 24),
    "h": _numeric(lambda moment: moment.hour % 12 or 12),
    "K": _numeric(lambda moment: moment.hour % 12),
    "m": _numeric(lambda moment: moment.minute),
    "s": _numeric(lambda moment: moment.second),
    "S": _numeric(lambda moment: moment.microsecond // 1000),
    "D": _numeric(lambda moment: moment.timetuple().tm_yday),
    "u": _numeric(lambda moment: moment.isoweekday()),
    "a": lambda _width: lambda moment: "AM" if moment.hour < 12 else "PM",
    "E": lambda width: lambda moment: _DAYS[moment.weekday()][: 3 if width < 4 else None],
    "z": lambda _width: _zone_name,
    "Z": lambda _width: lambda moment: _signed(moment, ""),
    "X": _iso_offset,
}


@lru_cache(maxsize=256)
def date_format(pattern: str) -> Callable[[int, tzinfo], str]:
    """Return the function from epoch milliseconds and a zone to text.

    Raises:
        Failure: the pattern has unknown letters or an open quotation, or is too long.
    """
    if len(pattern) > MAX_PATTERN:
        raise Failure(f"A date pattern has at most {MAX_PATTERN} characters.")
    pieces: list[Piece] = []
    position = 0
    while position < len(pattern):
        match = _PARTS.match(pattern, position)
        if match is None:
            raise Failure("The date pattern has an open quotation.")
        pieces.append(_piece(match[0]))
        position = match.end()

    def render(ms: int, zone: tzinfo) -> str:
        moment = datetime.fromtimestamp(ms // 1000, UTC).astimezone(zone).replace(microsecond=ms % 1000 * 1000)
        return "".join([piece(moment) for piece in pieces])

    return render


def _piece(part: str) -> Piece:
    if part == "''":
        return lambda _moment: "'"
    if part.startswith("'"):
        quoted = part[1:-1].replace("''", "'")
        return lambda _moment: quoted
    if not part[0].isascii() or not part[0].isalpha():
        return lambda _moment: part
    of_width = _LETTERS.get(part[0])
    if of_width is None:
        raise Failure(f"The date pattern has the unknown letter {part[0]}.")
    return of_width(min(len(part), 20))
