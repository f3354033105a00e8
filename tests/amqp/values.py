"""AMQP values and their bytes, with the encodings that only clients use."""

import struct
import uuid
from typing import Any

from hypothesis import strategies as st

from thingplane.amqp.codec.types import Decimal, Described, Symbol, Timestamp

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")

BOOK = (
    b"\x00\xa3\x11example:book:list\xc0\x40\x03\xa1\x15AMQP for & by Dummies"
    b"\xe0\x25\x02\xa1\x0eRob J. Godfrey\x13Rafael H. Schloming\x40"
)
"""The standard's example of a composite value (1.4)."""

VALUES: list[tuple[str, str, Any]] = [
    ("null", "40", None),
    ("true", "41", True),
    ("false", "42", False),
    ("boolean of a byte", "5601", True),
    ("boolean of a byte, false", "5600", False),
    ("ubyte", "50ff", 255),
    ("ushort", "60fffe", 65534),
    ("uint", "70fffffffe", 0xFFFFFFFE),
    ("smalluint", "52ff", 255),
    ("uint0", "43", 0),
    ("ulong", "80fffffffffffffffe", 0xFFFFFFFFFFFFFFFE),
    ("smallulong", "53ff", 255),
    ("ulong0", "44", 0),
    ("byte", "51ff", -1),
    ("short", "61fffe", -2),
    ("int", "71fffffffe", -2),
    ("smallint", "54fe", -2),
    ("long", "81fffffffffffffffe", -2),
    ("smalllong", "55fe", -2),
    ("float", "723fc00000", 1.5),
    ("double", "823ff8000000000000", 1.5),
    ("decimal32", "7401020304", Decimal(b"\1\2\3\4")),
    ("decimal64", "840102030405060708", Decimal(range(1, 9))),
    ("decimal128", "94" + bytes(16).hex(), Decimal(16)),
    ("char", "730001f600", "\U0001f600"),
    ("timestamp", "83000001365c7c4e1b", Timestamp(0x1365C7C4E1B)),
    ("timestamp before 1970", "83ffffffffffffffff", Timestamp(-1)),
    ("uuid", "98" + UUID.hex, UUID),
    ("vbin8", "a003010203", b"\1\2\3"),
    ("vbin32", "b000000003010203", b"\1\2\3"),
    ("str8-utf8", "a103e282ac", "€"),
    (
        "str8-utf8, the standard's example (1.2)",
        "a11e" + b"Hello Glorious Messaging World".hex(),
        "Hello Glorious Messaging World",
    ),
    ("str32-utf8", "b100000003e282ac", "€"),
    ("sym8", "a303616263", Symbol("abc")),
    ("sym32", "b300000003616263", Symbol("abc")),
    ("list0", "45", []),
    ("list8", "c0040241 5207", [True, 7]),
    ("list32", "d0 00000007 00000002 41 5207", [True, 7]),
    ("empty list8", "c00100", []),
    ("map8", "c10702 a30161 a10162", {Symbol("a"): "b"}),
    ("map32", "d1 0000000a 00000002 a30161 a10162", {Symbol("a"): "b"}),
    ("array8 of symbols", "e00602a3 0161 0162", [Symbol("a"), Symbol("b")]),
    ("array32 of uints", "f0 0000000d 00000002 70 00000001 00000002", [1, 2]),
    ("array of elements without bytes", "e0020341", [True, True, True]),
    ("empty array", "e0020070", []),
    ("array of lists", "e00702c0 020141 0100", [[True], []]),
    ("array of described values", "e00702 00531d54 01 02", [Described(0x1D, 1), Described(0x1D, 2)]),
    ("described by a number", "005324 45", Described(0x24, [])),
    ("described by a symbol", "00a30161 40", Described(Symbol("a"), None)),
    (
        "described, the standard's example (1.2)",
        "00a10355524c a11e" + b"http://example.org/hello-world".hex(),
        Described("URL", "http://example.org/hello-world"),
    ),
    (
        "composite, the standard's example (1.4)",
        BOOK.hex(),
        Described(
            Symbol("example:book:list"),
            ["AMQP for & by Dummies", ["Rob J. Godfrey", "Rafael H. Schloming"], None],
        ),
    ),
]

MALFORMED: list[tuple[str, str]] = [
    ("nothing", ""),
    ("reserved constructor", "01"),
    ("unassigned constructor of no bytes", "46"),
    ("unassigned constructor of four bytes", "7500000000"),
    ("unassigned constructor of sixteen bytes", "95" + bytes(16).hex()),
    ("unassigned variable constructor", "a20100"),
    ("unassigned compound constructor", "c20100"),
    ("unassigned array constructor", "e1020070"),
    ("integer that ends early", "7000"),
    ("size that ends early", "b00000"),
    ("text that ends early", "a10361"),
    ("text that is no UTF-8", "a101ff"),
    ("symbol that is no ASCII", "a302c3a9"),
    ("boolean that is neither", "5602"),
    ("char that is a surrogate", "730000d800"),
    ("char beyond Unicode", "7300110000"),
    ("list without a count", "c000"),
    ("list shorter than its count", "c00102"),
    ("list longer than its items", "c003014141"),
    ("list that ends early", "c0040241"),
    ("item that leaves its list", "c00301a105"),
    ("map with an odd count", "c1020141"),
    ("map whose key is a list", "c1030245 40"),
    ("array without a constructor", "e00100"),
    ("array shorter than its count", "e0020170"),
    ("array longer than its items", "e0040150 0102"),
    ("array of very many nothings", "f0 00000005 ffffffff 40"),
    ("descriptor without a value", "005324"),
    ("descriptors without an end", "00" * 40),
    ("lists within lists", "".join(f"d0{size:08x}00000001" for size in range(9 * 40 + 4, 4, -9)) + "45"),
    ("array whose constructor has no end", "e02501" + "0040" * 18 + "40"),
]


def _variable(code: int, raw: bytes, wide: bool) -> bytes:
    if wide or len(raw) > 255:
        return bytes((code + 0x10,)) + struct.pack(">I", len(raw)) + raw
    return bytes((code, len(raw))) + raw


def _compound(code: int, items: list[bytes], wide: bool) -> bytes:
    body = b"".join(items)
    if wide or len(body) > 254 or len(items) > 255:
        return bytes((code + 0x10,)) + struct.pack(">II", len(body) + 4, len(items)) + body
    return bytes((code, len(body) + 1, len(items))) + body


Encoded = tuple[bytes, Any]


def _described(pair: tuple[int, Encoded]) -> Encoded:
    number, (raw, value) = pair
    return b"\x00\x80" + struct.pack(">Q", number) + raw, Described(number, value)


def _listed(pair: tuple[list[Encoded], bool]) -> Encoded:
    items, wide = pair
    return _compound(0xC0, [raw for raw, _ in items], wide), [value for _, value in items]


def _mapped(pair: tuple[dict[str, Encoded], bool]) -> Encoded:
    items, wide = pair
    encoded = [part for key, (raw, _) in items.items() for part in (_variable(0xA1, key.encode(), wide), raw)]
    return _compound(0xC1, encoded, wide), {key: value for key, (_, value) in items.items()}


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
leaves: st.SearchStrategy[Encoded] = st.one_of(
    st.sampled_from([(bytes.fromhex(raw), value) for name, raw, value in VALUES]),
    st.tuples(text, st.booleans()).map(lambda pair: (_variable(0xA1, pair[0].encode(), pair[1]), pair[0])),
    st.tuples(st.binary(max_size=300), st.booleans()).map(lambda pair: (_variable(0xA0, *pair), pair[0])),
    st.integers(0, 2**64 - 1).map(lambda number: (b"\x80" + struct.pack(">Q", number), number)),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: (b"\x81" + struct.pack(">q", number), number)),
)
encoded_values: st.SearchStrategy[Encoded] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.lists(inner, max_size=5), st.booleans()).map(_listed),
        st.tuples(st.dictionaries(text, inner, max_size=4), st.booleans()).map(_mapped),
        st.tuples(st.integers(0, 2**64 - 1), inner).map(_described),
    ),
    max_leaves=12,
)
"""Well-formed values: their bytes and what they mean; nested less deeply than is allowed."""
