"""Operators, types, null, CASE, names of columns."""

from typing import Any

import pytest

from tests.rules.sql.evaluating import holds, row, run, select, value
from thingplane.rules.sql import EvaluationError, SqlError, SqlLimits, compile_sql
from thingplane.rules.sql.errors import PayloadError

BODY = {"i": 5, "f": 2.5, "s": "abc", "n": "12", "t": True, "z": None, "o": {"x": {"y": {"z": 1}}}, "l": [1, [2]]}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("i = 5", True),
        ("5 = i", True),
        ("i <> 5", False),
        ("i != 4", True),
        ("i = '5'", True),
        ("n = 12", True),
        ("n > 11", True),
        ("11 < n", True),
        ("13 <= n", False),
        ("s = 12", False),
        ("s <> 12", True),
        ("s > 12", False),
        ("s < 12", False),
        ("s = 'abc'", True),
        ("s <> 'abc'", False),
        ("s < 'abd'", True),
        ("s >= 'abc'", True),
        ("i = 5.0", True),
        ("t = true", True),
        ("t = 'true'", True),
        ("t = 1", False),
        ("t <> false", True),
        ("t", True),
        ("i", True),
        ("not t", False),
        ("z = 1", False),
        ("z <> 1", False),
        ("not (z = 1)", False),
        ("z = null", False),
        ("z is null", True),
        ("missing is null", True),
        ("i is null", False),
        ("i is not null", True),
        ("z = 1 or i = 5", True),
        ("z = 1 and i = 5", False),
        ("not (z = 1 and i = 4)", True),
        ("i = 4 or i = 5 and s = 'x'", False),
        ("(i = 4 or i = 5) and s = 'abc'", True),
        ("i in (1, 5)", True),
        ("i in ('5')", True),
        ("i not in (1, 5)", False),
        ("s in ('x', 'abc')", True),
        ("s IN ('x', \"5\")", False),
        ("z in (1)", False),
        ("z not in (1)", False),
        ("i in (-5, 5.0)", True),
        ("s like 'a%'", True),
        ("s like '%c'", True),
        ("s like '%b%'", True),
        ("s like 'a%c%'", True),
        ("s like 'abc'", True),
        ("s like 'ab'", False),
        ("s like 'abc%abc'", False),
        ("s like 'a_c'", False),
        ("s not like 'x%'", True),
        ("z like '%'", False),
        ("i like '5'", True),
        ("i + 1 > f * 2", True),
        ("l = l", True),
        ("o = s", False),
        ("i > f", True),
        ("t > false", False),
    ],
)
def test_condition(condition: str, expected: bool) -> None:
    assert holds(condition, BODY) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 - 2 - 1", 4),
        ("6 / 3", 2),
        ("7 / 2", 3.5),
        ("7 % 4", 3),
        ("-7 % 4", -3),
        ("7.5 % 2", 1.5),
        ("-i", -5),
        ("- - i", 5),
        ("n + 1", 13),
        ("i + missing", None),
        ("9223372036854775807 + 1", 9223372036854775808.0),
        ("1.5e3", 1500.0),
        ("'it''s'", "it's"),
        (r"'it\'s'", "it's"),
        (r"'a\\b\n'", r"a\b\n"),
        ("\u2018typographic\u2019", "typographic"),
        ("o.x.y.z", 1),
        ("\u201co.x\u201d", {"y": {"z": 1}}),
        ("o.x.nothing", None),
        ("i.x", None),
        ("s.x", None),
        ('"s[0]"', None),
        ("l[0]", 1),
        ('"l[1][0]"', 2),
        ('"l[9]"', None),
        ('".l[9]"', []),
        ('"$.i"', 5),
        ('"$"', BODY),
        ("case when i > 9 then 'big' when i > 4 then 'middle' else 'small' end", "middle"),
        ("case i when 4 then 'four' end", None),
        ("case s when 'abc' then i + 1 else 0 end", 6),
        ("case i when n then 1 else 2 end", 2),
        ("i > 4", True),
        ("i > 4 and z", None),
    ],
)
def test_value(expression: str, expected: Any) -> None:
    found = value(expression, BODY)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("i", {"i": 5}),
        ("o.x.y", {"o.x.y": {"z": 1}}),
        ('"$.l[0]"', {"$.l[0]": 1}),
        ("deviceName()", {"deviceName()": "dev1"}),
        ("upper( s )", {"upper( s )": "ABC"}),
        ("i+1", {"i+1": 6}),
        ("i a", {"a": 5}),
        ("i AS end", {"end": 5}),
        ('i as "a b"', {"a b": 5}),
        ("i as 'a b'", {"a b": 5}),
        ("i as x, f as x", {"x": 2.5}),
        ("missing, z, i", {"i": 5}),
        ("missing", {}),
        ("*, i + 1 as i", BODY | {"i": 6}),
        ("'c' as i, *", BODY),
    ],
)
def test_columns(columns: str, expected: dict[str, Any]) -> None:
    assert select(columns, BODY) == expected


def test_identifiers_of_modules_and_any_script() -> None:
    body = {"items": {"lamp:Power": {"value": 1}, "温度": {"value": 2}}}
    assert select("items.lamp:Power.value as p, items.温度.value as 温度", body) == {"p": 1, "温度": 2}


def test_a_path_wins_over_a_column_of_the_same_name() -> None:
    assert holds("s = 'abc'", BODY)
    assert select("i as s", BODY, "s = 'abc'") == {"s": 5}
    assert select("i as new", BODY, "new = 5") == {"new": 5}


def test_arrays_as_payloads() -> None:
    assert run(compile_sql('"$[1].a" as a', ""), [1, {"a": 2}]) == {"a": 2}
    assert run(compile_sql("*", ""), [1, 2]) == [1, 2]
    with pytest.raises(EvaluationError, match="no columns"):
        run(compile_sql("*, 1 as a", ""), [1, 2])


@pytest.mark.parametrize("payload", [b"", b"hello", b"5", b'"x"', b"null", b"\xff", b"[" * 100_000, b'{"a":1e999}'])
def test_payloads_that_are_no_json_object_are_not_for_json_rules(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        run(compile_sql("*", ""), payload)


def test_binary_rules_pass_bytes_through_or_select_functions() -> None:
    from tests.rules.sql.evaluating import row

    raw = b"\x00\xff"
    whole = compile_sql("*", "deviceName() = 'dev1'", "BINARY").run(row(raw))
    assert whole is not None
    assert whole.payload == raw
    assert compile_sql("*", "deviceName() = 'dev2'", "BINARY").run(row(raw)) is None
    chosen = compile_sql("to_base64(*) as data, deviceName() as dn, 1 as one", "", "BINARY")
    assert run(chosen, raw) == {"data": "AP8=", "dn": "dev1", "one": 1}


@pytest.mark.parametrize(
    ("select_", "where"),
    [("a", ""), ("*, deviceName() as dn", ""), ("*", "a = 1"), ("thingPropertyFlatMap()", ""), ('".a[0]"', "")],
)
def test_binary_rules_have_no_fields(select_: str, where: str) -> None:
    with pytest.raises(SqlError):
        compile_sql(select_, where, "BINARY")


@pytest.mark.parametrize(
    ("select_", "where", "position"),
    [
        ("", "", 1),
        ("a,", "", 3),
        ("a b c", "", 5),
        ("a as 1", "", 6),
        ("1a", "", 1),
        ("a from b", "", 8),
        ("'abc", "", 1),
        ("a; drop table x", "", 2),
        ("a", "b >", 4),
        ("a", "(b = 1", 7),
        ("a", "b in (c)", 7),
        ("a", "b in ()", 7),
        ("a", 'b in ("c")', 7),
        ("a", "b like c", 8),
        ("a", "b = 1 = 2", 7),
        ("case when case when a then 1 end then 2 end", "", 11),
        ("(select a)", "", 9),
        ('"a..b"', "", 1),
        ('"a[b]"', "", 1),
        ('""', "", 1),
        ("a[-1]", "", 2),
        (f"1{'0' * 400}", "", 1),
        ("count(*)", "", 1),
    ],
)
def test_errors_name_the_place(select_: str, where: str, position: int) -> None:
    with pytest.raises(SqlError) as error:
        compile_sql(select_, where)
    assert (error.value.clause, error.value.position + 1) == ("Where" if where else "Select", position), error.value


def test_limits() -> None:
    compile_sql(", ".join(f"a{n}" for n in range(50)), "")
    with pytest.raises(SqlError, match="at most 50 columns"):
        compile_sql(", ".join(f"a{n}" for n in range(51)), "")
    with pytest.raises(SqlError, match="at most 8192 characters"):
        compile_sql("a" * 8193, "")
    compile_sql("a", " and ".join(["b = 1"] * 700))
    compile_sql("a", "+".join(["1"] * 4000) + " > 2")
    for nested in (
        "(" * 4000 + "1" + ")" * 4000,
        "not " * 1000 + "a",
        "-" * 4000 + "a",
        "abs(" * 1000 + "1" + ")" * 1000,
    ):
        with pytest.raises(SqlError, match="32 levels deep"):
            compile_sql("a", nested)
    with pytest.raises(SqlError, match="at most 2 columns"):
        compile_sql("a, b, c", "", limits=SqlLimits(columns=2))


def test_a_result_that_is_too_large_is_none() -> None:
    program = compile_sql("concat(a, a) as b, a", "", limits=SqlLimits(result=100))
    assert program.run(row({"a": "x" * 28}))
    with pytest.raises(EvaluationError, match="more than 100 bytes"):
        program.run(row({"a": "x" * 29}))


def test_deep_payloads_are_no_harm() -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    assert select("a.a.a is not null as x", deep) == {"x": True}
    assert select("1 as x", deep, "a = a") == {"x": 1}
