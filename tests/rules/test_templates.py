"""Variables in configurations."""

from typing import Any

import pytest

from thingplane.rules.actions.templates import Template

COLUMNS = {"t": 21.5, "n": 7, "s": "x", "o": {"a": {"b": 1}}, "a.b": "flat", "on": True, "nothing": None}


@pytest.mark.parametrize(
    ("text", "rendered", "value"),
    [
        ("constant", "constant", "constant"),
        ("${t}", "21.5", 21.5),
        ("${ n }", "7", 7),
        ("${on}", "true", True),
        ("${o}", '{"a":{"b":1}}', {"a": {"b": 1}}),
        ("${o.a.b}", "1", 1),
        ("${a.b}", "flat", "flat"),
        ("${missing}", "", None),
        ("${nothing}", "", None),
        ("${s.a}", "", None),
        ("/pk/${s}/user/${n}", "/pk/x/user/7", "/pk/x/user/7"),
        ("${", "${", "${"),
        ("${}", "", None),
        ("$${s}$", "$x$", "$x$"),
    ],
)
def test_variables_stand_for_columns(text: str, rendered: str, value: Any) -> None:
    assert Template(text).render(COLUMNS) == rendered
    assert Template(text).value(COLUMNS) == value


def test_what_a_column_holds_is_not_a_template() -> None:
    assert Template("${s}").render({"s": "${t}", "t": 1}) == "${t}"
