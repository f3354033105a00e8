"""The examples of the reference, from column to column."""

from typing import Any

import pytest

from tests.rules.sql.evaluating import select, value


def test_a_custom_message() -> None:
    columns = 't as temp, deviceName() as dn, "tags[1].k" as second, ".tags[0].k" as arr, upper(loc), \'c.d\' as lit'
    body = {"t": 41.5, "loc": "x", "tags": [{"k": "a"}, {"k": "b"}]}
    found = select(columns, body, "t > 38 AND loc LIKE 'x%'")
    assert found == {"temp": 41.5, "dn": "dev1", "second": "b", "arr": ["a"], "upper(loc)": "X", "lit": "c.d"}


def test_a_property_report_with_an_alias_in_its_condition() -> None:
    columns = "deviceName() as dn, items.T.value as T, case items.M.value when 1 then 'on' else 'off' end as m"
    where = "T > 35 and deviceName() in ('dev1','dev2')"
    assert select(columns, _report(T=36, M=1), where) == {"dn": "dev1", "T": 36, "m": "on"}
    assert select(columns, _report(T=36, M=0), where) == {"dn": "dev1", "T": 36, "m": "off"}
    assert select(columns, _report(T=35, M=1), where) is None
    assert select(columns, _report(T=36, M=1), where, device_name="dev3") is None


def test_a_status_notice() -> None:
    body = {"status": "offline", "deviceName": "dev1", "utcTime": "2024-03-01T10:00:01.500Z"}
    assert select("status, deviceName, utcTime", body, "status = 'offline'") == body
    assert select("status, deviceName, utcTime", body | {"status": "online"}, "status = 'offline'") is None


def test_the_request_of_the_guide() -> None:
    columns = "deviceName() as deviceName, items.Humidity.value as Humidity, items.Temperature.value as Temperature"
    found = select(columns, _report(Humidity=50, Temperature=36), "Temperature>35")
    assert found == {"deviceName": "dev1", "Humidity": 50, "Temperature": 36}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('"p[0]"', {"q": 7}),
        ('"$.p[0]"', {"q": 7}),
        ('".p[0]"', [{"q": 7}]),
        ('"p[1].q"', 8),
        ('"$.p[1].q"', 8),
        ('".p[1].q"', [8]),
    ],
)
def test_elements_of_arrays(expression: str, expected: Any) -> None:
    assert value(expression, {"p": [{"q": 7}, {"q": 8}]}) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("substring('abcdef', 0)", "abcdef"),
        ("substring('abcdef', 2)", "cdef"),
        ("substring('abcdef', 2.7)", "cdef"),
        ("substring(987, 2)", "7"),
        ("substring('abcdef', -1)", "abcdef"),
        ("substring('abcdef', 1, 3)", "bc"),
        ("substring('abcdef', -9, 99)", "abcdef"),
        ("substring('abcdef', 4, 2)", ""),
        ("substring('abcdef', \"2\")", "cdef"),
    ],
)
def test_substrings(expression: str, expected: str) -> None:
    assert value(expression) == expected


def test_the_flat_properties_of_a_struct() -> None:
    body = _report(Power="On", Position={"latitude": 39.9, "longitude": 116.4})
    flat = {"Power": "On", "Position_latitude": 39.9, "Position_longitude": 116.4}
    assert select("thingPropertyFlatMap()", body) == flat
    assert select("thingPropertyFlat(Power, 'Nothing')", body) == {"Power": "On"}
    assert select('thingPropertyFlatMap("Power"), 1 as one', body) == {"Power": "On", "one": 1}


def _report(**properties: object) -> dict[str, Any]:
    return {"items": {name: {"value": given, "time": 1} for name, given in properties.items()}}
