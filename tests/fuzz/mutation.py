"""Inputs made of the kept corpus (see ``corpus/README.md``): as they are, and changed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

FOLDER: Final = Path(__file__).parent / "corpus"
EVIL: Final = (
    *(
        b"\0",
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\\u0000",
        b"\\ud800",
        b"null",
        b"{}",
        b"[]",
        b'""',
        b"-1",
        b"1e999",
    ),
    *(b"[" * 2000, b'{"a":' * 600, b"9" * 400, b"x" * 5000, b"18446744073709551616", b"true", b",", b'"', b"/", b"%"),
)
"""What parsers tend to stumble over."""


def lines(name: str) -> list[str]:
    """Return the inputs of a file of the corpus."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line and not line.startswith("#")]


@st.composite
def changed(draw: st.DrawFn, seeds: Sequence[bytes], *, changes: int = 3) -> bytes:
    """An input of the corpus with a few changes: bytes replaced, cut out, repeated, or put in."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, changes))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 2, 8, 64])))
        piece = draw(st.one_of(st.sampled_from(EVIL), st.binary(max_size=4), st.just(data[start:end] * 2)))
        data = data[:start] + piece + data[end:]
    return data
