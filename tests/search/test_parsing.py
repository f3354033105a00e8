"""What statements may say, and the code of everything that they may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.cloud import BusinessError
from thingplane.search.parsing import SearchLimits, parse
from thingplane.search.statement import Statement

LIMITS = SearchLimits()
ALL = "SELECT * FROM device WHERE "


def read(sql: str) -> Statement:
    return parse(sql, LIMITS)


def code(sql: str) -> str:
    with pytest.raises(BusinessError) as refusal:
        read(sql)
    return refusal.value.code.removeprefix("iot.devicesearch.")


def conditions(where: str) -> list[list[tuple[str, str, object]]]:
    return [
        [(condition.field.name, condition.operator, condition.value) for condition in alternative]
        for alternative in read(ALL + where).alternatives
    ]


def test_the_statements_of_the_guide() -> None:
    first = read('SELECT * FROM device WHERE product_key = "a1*********" order by active_time limit 0,10')
    assert first.order_by is not None
    assert (first.order_by.name, first.descending, first.offset, first.limit) == ("active_time", False, 0, 10)
    second = read('SELECT * FROM device where product_key = "a1*********" limit 100, 20')
    assert (second.order_by, second.offset, second.limit) == (None, 100, 20)
    third = read('SELECT * FROM device where product_key = "a1*********" and name LIKE "test%" limit 10')
    assert (third.offset, third.limit, len(third.alternatives[0])) == (0, 10, 2)


def test_keywords_are_in_upper_or_lower_case_and_white_space_is_free() -> None:
    statement = read("sElEcT\n count( * )\tFrOm dEvIcE wHeRe name='x' oRdEr  By gmt_create DeSc LiMiT 3 , 4 ")
    assert statement.counts
    assert (statement.descending, statement.offset, statement.limit) == (True, 3, 4)


def test_selected_fields_and_the_default_limit() -> None:
    statement = read('SELECT name, tag.tag_name FROM device WHERE name = "x"')
    assert statement.fields == {"name", "tag.tag_name", "iot_id"}
    assert (statement.offset, statement.limit) == (0, 20)
    assert len(read(ALL + "name = 'x'").fields) == 13


def test_and_binds_tighter_than_or() -> None:
    found = conditions("name = 'a' or name = \"b\" AND nickname != null Or status = 'ONLINE'")
    assert found == [
        [("name", "=", "a")],
        [("name", "=", "b"), ("nickname", "!=", None)],
        [("status", "=", "ONLINE")],
    ]


def test_values() -> None:
    assert conditions("gmt_create > '2020-04-04 16:38:17.250'") == [[("gmt_create", ">", 1585989497250)]]
    assert conditions("gmt_create < '2020-04-04 16:38:17'") == [[("gmt_create", "<", 1585989497000)]]
    assert conditions('name = "it\'s"') == [[("name", "=", "it's")]]
    assert conditions("name LIKE 'a_[1%'") == [[("name", "LIKE", "a_[1")]]
    assert conditions('name = "or 1 = 1; --"') == [[("name", "=", "or 1 = 1; --")]]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("", "InvalidSQLError"),
        ("SELECT * FROM device", "InvalidSQLError"),
        ("SELECT * FROM devices WHERE name = 'x'", "InvalidSQLError"),
        ("SELECT FROM device WHERE name = 'x'", "InvalidSQLError"),
        ("SELECT *, name FROM device WHERE name = 'x'", "InvalidSQLError"),
        ("SELECT max(name) FROM device WHERE name = 'x'", "InvalidSQLError"),
        ("SELECT name AS n FROM device WHERE name = 'x'", "InvalidSQLError"),
        ("SELECT TOP 5 * FROM device WHERE name = 'x'", "InvalidSQLError"),
        (ALL, "InvalidSQLError"),
        (ALL + "(name = 'x')", "InvalidSQLError"),
        (ALL + "name = 'x", "InvalidSQLError"),
        (ALL + "name = x", "InvalidSQLError"),
        (ALL + "name IN ('x')", "InvalidSQLError"),
        (ALL + "gmt_create BETWEEN '2020-01-01 00:00:00.000' AND '2021-01-01 00:00:00.000'", "InvalidSQLError"),
        (ALL + "gmt_create >= '2020-01-01 00:00:00.000'", "InvalidSQLError"),
        (ALL + "name = 'x' AND", "InvalidSQLError"),
        (ALL + "name = 'x'; DROP TABLE devices", "InvalidSQLError"),
        (ALL + "name = 'x' LIMIT 5 OFFSET 5", "InvalidSQLError"),
        (ALL + "name = 'x' LIMIT 5 ORDER BY gmt_create", "InvalidSQLError"),
        (ALL + "name = '" + "x" * 400 + "'", "InvalidSQLError"),
        ("SELECT colour FROM device WHERE name = 'x'", "InvalidSQLFieldError"),
        ("SELECT secret FROM device WHERE name = 'x'", "InvalidSQLFieldError"),
        (ALL + "colour = 'x'", "InvalidSQLFieldError"),
        (ALL + "secret LIKE 'abcd%'", "InvalidSQLFieldError"),
        (ALL + "tag.color = 'x'", "InvalidSQLFieldError"),
        (ALL + " OR ".join(["name = 'x'"] * 6), "InvalidSQLConditionError"),
        (ALL + "name = 'x' ORDER BY name", "InvalidSQLOrderError"),
        (ALL + "name = 'x' ORDER BY colour", "InvalidSQLOrderError"),
        (ALL + "name = 'x' ORDER BY gmt_create sideways", "InvalidSQLOrderError"),
        (ALL + "name = 'x' ORDER BY gmt_create, gmt_modified", "InvalidSQLOrderError"),
        (ALL + "name > 'x'", "InvalidSQLOperatorTypeError"),
        (ALL + "status < 'ONLINE'", "InvalidSQLOperatorTypeError"),
        (ALL + "tag.tag_value > 'x'", "InvalidSQLOperatorTypeError"),
        (ALL + "gmt_create LIKE '2020%'", "InvalidSQLOperatorTypeError"),
        (ALL + "name = 'x' LIMIT 51", "InvalidSQLOffsetError"),
        (ALL + "name = 'x' LIMIT 0", "InvalidSQLOffsetError"),
        (ALL + "name = 'x' LIMIT -1", "InvalidSQLOffsetError"),
        (ALL + "name = 'x' LIMIT 1.5", "InvalidSQLOffsetError"),
        (ALL + "name = 'x' LIMIT -1, 5", "InvalidSQLOffsetError"),
        (ALL + "name = 'x' LIMIT 9951, 50", "InvalidSQLOffsetError"),
        (ALL + "name = 'x' LIMIT " + "9" * 50 + ", 1", "InvalidSQLOffsetError"),
        (ALL + "name = 5", "InvalidSQLParamError"),
        (ALL + "gmt_create > 1585989497250", "InvalidSQLParamError"),
        (ALL + "gmt_create > '2020-04-04'", "InvalidSQLParamError"),
        (ALL + "gmt_create > '2020-02-30 00:00:00.000'", "InvalidSQLParamError"),
        (ALL + "gmt_create > null", "InvalidSQLParamError"),
        (ALL + "name LIKE null", "InvalidSQLParamError"),
        (ALL + "status = 'AWAKE'", "InvalidSQLParamError"),
        (ALL + "name LIKE 'abc%'", "InvalidSQLParamError"),
        (ALL + "name LIKE 'abcd'", "InvalidSQLParamError"),
        (ALL + "name LIKE '%abcd%'", "InvalidSQLParamError"),
        *((ALL + f"name LIKE 'abc{special}d%'", "InvalidSQLParamError") for special in r"\/&+-!():~{}*?%"),
        (ALL + "ota_module.module_name = 'default'", "InvalidSQLParamError"),
        (
            ALL + "ota_module.module_name = 'default' OR ota_module.firmware_version = '1'",
            "InvalidSQLParamError",
        ),
    ],
)
def test_what_statements_must_not_say(sql: str, expected: str) -> None:
    assert code(sql) == expected


def test_limits_of_what_may_be_asked_for() -> None:
    assert read(ALL + "name = '" + "x" * (400 - len(ALL) - 9) + "'").limit == 20
    assert read(ALL + " OR ".join(["name = 'x'"] * 5)).limit == 20
    assert read(ALL + "name = 'x' LIMIT 9950, 50").offset == 9950
    assert parse(ALL + "name = 'x' LIMIT 60", SearchLimits(page=60)).limit == 60


WORDS = ["select", "*", "count(*)", "from", "device", "where", "name", "=", "like", "'abcd%'", "null", "and", "or"]
WORDS += ["order", "by", "gmt_create", "limit", "5", ",", ">", "'2020-01-01 00:00:00'", "(", "tag.tag_name", "\0", "é"]


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
def test_every_text_is_a_statement_or_has_a_documented_code(sql: str) -> None:
    try:
        statement = read(sql)
    except BusinessError as error:
        assert error.code.startswith("iot.devicesearch.")  # noqa: PT017 - either outcome is right
    else:
        assert statement.alternatives
