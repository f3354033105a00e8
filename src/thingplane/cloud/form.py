"""Parameters as they travel: ``application/x-www-form-urlencoded`` text, decoded, and encoded again for signatures.

Both signature schemes sign the sorted parameters in one canonical encoding (RFC 3986: only letters, digits and
``-_.~`` stay as they are, guide: signature method). Clients mostly send that encoding already; telling so with one
regular expression is several times cheaper than decoding and encoding every value.
"""

import re
from typing import Final
from urllib.parse import quote, unquote

_SAFE = "[A-Za-z0-9._~-]"
# Escapes of octets that have to be escaped: an escaped letter, digit or ``-_.~`` is not canonical.
_ESCAPE = "%(?:[0189A-F][0-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF])"
_PAIR = f"{_SAFE}+=(?:{_SAFE}++|{_ESCAPE})*+"
_CANONICAL: Final = re.compile(f"{_PAIR}(?:&{_PAIR})*+".encode())
_PLAIN_NAME: Final = re.compile(f"{_SAFE}+")


class Form:
    """Parameters by name. Of a name that is sent twice the first value counts."""

    __slots__ = ("_encoded", "_plain_names", "values")

    def __init__(self, values: dict[str, str], encoded: dict[str, str], *, plain_names: bool) -> None:
        self.values = values
        """Decoded text by decoded name."""
        self._encoded = encoded
        self._plain_names = plain_names

    @classmethod
    def parse(cls, raw: bytes) -> "Form":
        """Decode a query string or form body.

        Raises:
            UnicodeDecodeError: a name or value is not UTF-8.
        """
        values: dict[str, str] = {}
        encoded: dict[str, str] = {}
        if not raw:
            return cls(values, encoded, plain_names=True)
        if _CANONICAL.fullmatch(raw):
            for pair in raw.decode("ascii").split("&"):
                name, _, value = pair.partition("=")
                if name not in values:
                    encoded[name] = value
                    values[name] = unquote(value, errors="strict") if "%" in value else value
            return cls(values, encoded, plain_names=True)
        plain_names = True
        for pair in raw.decode("utf-8").replace("+", " ").split("&"):
            if not pair:
                continue
            name, _, value = pair.partition("=")
            name = unquote(name, errors="strict")
            if name in values:
                continue
            plain_names = plain_names and _PLAIN_NAME.fullmatch(name) is not None
            values[name] = text = unquote(value, errors="strict")
            encoded[name] = percent_encode(text)
        return cls(values, encoded, plain_names=plain_names)

    def merged(self, other: "Form") -> "Form":
        """Return these parameters and, for names that are not among them, those of another form."""
        if not other.values:
            return self
        return Form(
            {**other.values, **self.values},
            {**other._encoded, **self._encoded},  # noqa: SLF001 (same class)
            plain_names=self._plain_names and other._plain_names,  # noqa: SLF001 (same class)
        )

    def filled(self) -> "Form":
        """Return the parameters whose value is not empty."""
        return Form(
            {name: value for name, value in self.values.items() if value},
            {name: value for name, value in self._encoded.items() if value},
            plain_names=self._plain_names,
        )

    def canonical(self, without: str | None = None) -> str:
        """Return the sorted parameters in canonical encoding, joined by ``&``, without the one of this name."""
        encoded = self._encoded
        if self._plain_names:
            return "&".join([f"{name}={encoded[name]}" for name in sorted(encoded) if name != without])
        return "&".join([f"{percent_encode(name)}={encoded[name]}" for name in sorted(encoded) if name != without])


def percent_encode(text: str) -> str:
    """Return text in canonical percent-encoding: UTF-8, a blank as ``%20``, ``~`` as it is."""
    return quote(text, safe="~")
