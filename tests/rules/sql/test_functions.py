"""Every function: what it gives, and what it refuses."""

import hashlib
import math
from typing import Any

import pytest

from tests.rules.sql.evaluating import row, value
from thingplane.rules.sql import EvaluationError, SqlError, compile_sql

HELLO = b'{"a":"hello"}'


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("abs(-2)", 2),
        ("abs('-2.5')", 2.5),
        ("asin(1)", math.asin(1)),
        ("cos(0)", 1),
        ("cosh(0)", 1),
        ("exp(1)", math.e),
        ("floor(2.7)", 2),
        ("floor(-2.1)", -3),
        ("sin(0)", 0),
        ("sinh(0)", 0),
        ("tan(0)", 0),
        ("tanh(0)", 0),
        ("log(1000)", 3),
        ("log(8, 2)", 3),
        ("mod(7, 3)", 1),
        ("mod(-7, 3)", -1),
        ("mod(7.5, 2)", 1.5),
        ("power(2, 10)", 1024),
        ("power(2, -1)", 0.5),
        ("power(-1, 1000000000001)", -1),
        ("power(0, 0)", 1),
        ("power(2, 0.5)", math.sqrt(2)),
        ("power(2, 100)", 2.0**100),
        ("concat('a', 'b')", "ab"),
        ("concat('a', 1, true, 2.5)", "a1true2.5"),
        ("endswith('device', 'ice')", True),
        ("endswith('device', 'dev')", False),
        ("lower('AbC')", "abc"),
        ("upper('AbC')", "ABC"),
        ("replace('a.b.c', '.', '-')", "a-b-c"),
        ("replace('abc', '', 'x')", "abc"),
        ("nanvl(missing, 'none')", "none"),
        ("nanvl(a, 'none')", "hello"),
        ("deviceName()", "dev1"),
        ("DEVICENAME()", "dev1"),
        ("productKey()", "a1pk"),
        ("deviceType()", "CustomCategory"),
        ("messageId()", "1234567890123456789"),
        ("payload()", '{"a":"hello"}'),
        ("payload('gbk')", '{"a":"hello"}'),
        ("to_base64(*)", "eyJhIjoiaGVsbG8ifQ=="),
        ("to_hex(*)", HELLO.hex()),
        ("topic()", "/a1pk/dev1/user/update"),
        ("topic(1)", "a1pk"),
        ("topic(2)", "dev1"),
        ("topic(4)", "update"),
        ("topic(5)", None),
        ("timestamp()", 1_700_000_000_123),
        ("timestamp_utc()", 1_700_000_000_123),
        ("timestamp('yyyy-MM-dd HH:mm:ss')", "2023-11-15 06:13:20"),
        ("timestamp_utc('yyyy-MM-dd HH:mm:ss.SSS')", "2023-11-14 22:13:20.123"),
        (r"timestamp_utc('yyyy-MM-dd\'T\'HH:mm:ss\'Z\'')", "2023-11-14T22:13:20Z"),
        ("timestamp_utc('yyyy''T''HH')", "2023T22"),
        ("attribute('room')", "101"),
        ("tag('room')", "101"),
        ("attribute('floor')", None),
        ("user_property('site')", "north"),
        ("user_property('floor')", None),
        ("upper(missing)", None),
        ("concat('a', missing)", None),
        ("crypto('a', 'MD2')", "32ec01ec4a6dac72c0ab96fb34c0b5d1"),
        ("crypto('a', 'MD5')", hashlib.md5(b"a").hexdigest()),
        ("crypto('a', 'SHA1')", hashlib.sha1(b"a").hexdigest()),
        ("crypto('a', 'SHA-256')", hashlib.sha256(b"a").hexdigest()),
        ("crypto('a', 'SHA-384')", hashlib.sha384(b"a").hexdigest()),
        ("crypto(a, 'SHA-512')", hashlib.sha512(b"hello").hexdigest()),
    ],
)
def test_function(expression: str, expected: Any) -> None:
    properties = {"content_type": "text", "user": [["site", "north"], ["site", "south"]]}
    found = value(expression, HELLO, tags={"room": "101"}, properties=properties)
    assert found == (pytest.approx(expected, abs=0) if isinstance(expected, float) else expected)
    assert type(found) is not float or type(expected) is not int or found == expected


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        ("", "8350e5a3e24c153df2275c9f80692773"),
        ("abc", "da853b0d3f88d99b30283a69e6ded6bb"),
        ("abcdefghijklmnopqrstuvwxyz", "4e8ddff3650292ab5a4108c3aa47940b"),
        ("1234567890" * 8, "d5976f79d83d3a0dc9806c3c66f3efd8"),
    ],
)
def test_md2_as_its_rfc_has_it(text: str, digest: str) -> None:
    assert value(f"crypto('{text}', 'MD2')") == digest


@pytest.mark.parametrize("properties", [None, {"content_type": "text"}])
def test_a_message_without_user_properties(properties: dict[str, object] | None) -> None:
    assert value("user_property('site')", HELLO, properties=properties) is None


def test_what_is_different_every_time() -> None:
    first, second = value("newuuid()"), value("newuuid()")
    assert len(first) == 36
    assert first != second
    assert 0 <= value("rand()") < 1


@pytest.mark.parametrize(
    "pattern",
    [
        ("yy M d H h m s S a", "23 11 14 22 10 13 20 123 PM"),
        ("EEE EEEE MMM MMMM", "Tue Tuesday Nov November"),
        ("z Z XXX XX X", "UTC +0000 Z Z Z"),
        ("hh'o''clock' ''a''", "10o'clock 'PM'"),
        ("D u k K", "318 2 22 10"),
    ],
)
def test_date_patterns(pattern: tuple[str, str]) -> None:
    given, expected = pattern
    quoted = given.replace("'", r"\'")
    assert value(f"timestamp_utc('{quoted}')") == expected


def test_the_zone_of_the_region() -> None:
    assert value("timestamp('z Z XXX XX X')") == "CST +0800 +08:00 +0800 +08"


@pytest.mark.parametrize(
    "expression",
    [
        "substring(true, 1)",
        "substring(a, 'x')",
        "abs(a)",
        "abs(true)",
        "abs(o)",
        "asin(2)",
        "exp(1000)",
        "power(10, 400)",
        "log(0)",
        "log(2, 1)",
        "mod(1, 0)",
        "upper(o)",
        "concat('a', o)",
        "topic(0)",
        "topic(1.5)",
        "crypto(a, concat('MD', '4'))",
        "payload(a)",
        "crypto(long, 'MD2')",
        "replace(long, 'x', long)",
        "a + 1",
        "1 / 0",
        "1 % 0",
        "-a",
        "1e308 * 10",
        "a and true",
        "timestamp(a)",
    ],
)
def test_a_wrong_argument_ends_the_run(expression: str) -> None:
    program = compile_sql(f"{expression} as x", "")
    with pytest.raises(EvaluationError) as error:
        program.run(row({"a": "hello", "o": {}, "long": "x" * 5000}))
    assert error.value.clause == "Select"
    assert str(error.value).startswith("Select, character ")


@pytest.mark.parametrize(
    ("select", "position", "reason"),
    [
        ("nothing(1)", 1, "there is no function nothing"),
        ("a, substring('x')", 4, "takes 2 to 3 arguments, not 1"),
        ("deviceName(1)", 1, "takes 0 arguments"),
        ("abs()", 1, "takes 1 arguments, not 0"),
        ("abs(*)", 1, "does not take *"),
        ("to_hex()", 1, "takes *"),
        ("concat('a', timestamp('bb'))", 13, "unknown letter b"),
        ("timestamp('yyyy\\'T')", 1, "open quotation"),
        ("payload('klingon')", 1, "no charset klingon"),
        ("1 + thingPropertyFlatMap()", 5, "column of its own"),
        ("thingPropertyFlatMap() as x", 1, "no common name"),
        ("thingPropertyFlatMap(1)", 1, "identifiers of properties"),
    ],
)
def test_a_wrong_call_is_refused_when_the_rule_is_saved(select: str, position: int, reason: str) -> None:
    with pytest.raises(SqlError, match=reason.replace("*", r"\*")) as error:
        compile_sql(select, "")
    assert error.value.position + 1 == position
