"""Whatever is written or sent: an answer, soon."""

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.rules.sql.evaluating import row
from thingplane.rules.sql import EvaluationError, SqlError, compile_sql
from thingplane.rules.sql.errors import PayloadError
from thingplane.rules.sql.functions import FUNCTIONS

WORDS = st.sampled_from(
    [
        *("a", "b.c", '"l[0]"', '".l[0]"', '"$"', "*", "1", "2.5", "-", "'x'", "'", '"', "(", ")", ",", "=", "<>", "<"),
        *("+", "/", "%", "and", "OR", "not", "in", "like", "is", "null", "true", "case", "when", "then", "else", "end"),
        *("as", "'a%'", "thingPropertyFlatMap", *FUNCTIONS),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcl"), inner, max_size=3),
    max_leaves=8,
)
OPERANDS = st.sampled_from(["a", "b", "b.c", '"l[0]"', "1", "0", "-3", "2.5", "'x'", "'12'", "null", "true"])
EXPRESSIONS = st.recursive(
    OPERANDS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "%", "=", "<", ">="]), inner)
        | st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("(not {})".format, inner)
        | st.builds("{}({})".format, st.sampled_from(["abs", "upper", "floor", "log", "payload", "topic"]), inner)
        | st.builds(
            "{}({}, {})".format, st.sampled_from(["concat", "mod", "power", "substring", "nanvl"]), inner, inner
        )
        | st.builds("({} like '%{}%')".format, inner, st.sampled_from(["", "x", "%"]))
        | st.builds("({} in (1, 'x'))".format, inner)
    ),
    max_leaves=6,
)


def check(select: str, where: str) -> None:
    program, refusal = None, None
    try:
        program = compile_sql(select, where)
    except SqlError as error:
        refusal = error
    if refusal is not None:
        assert 0 <= refusal.position <= len({"Select": select, "Where": where}[refusal.clause])
    elif program is not None:
        with contextlib.suppress(EvaluationError, PayloadError):
            program.run(row({"a": 1, "b": {"c": "x"}, "l": [1]}))


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_understood_or_refused(select: str, where: str) -> None:
    check(select, where)


@given(st.lists(WORDS, max_size=15).map(" ".join), st.lists(WORDS, max_size=15).map(" ".join))
def test_any_words_are_understood_or_refused(select: str, where: str) -> None:
    check(select, where)


@given(EXPRESSIONS, st.dictionaries(st.sampled_from("abl"), JSON, max_size=3))
def test_any_payload_gives_a_value_or_an_error_with_its_place(expression: str, body: dict[str, Any]) -> None:
    program = compile_sql(f"{expression} as x", "")
    failure = None
    try:
        program.run(row(body))
    except EvaluationError as error:
        failure = error
    assert failure is None or 0 <= failure.position < len(expression)


@given(st.text(alphabet="ab%", max_size=8), st.text(alphabet="ab", max_size=10))
def test_like_is_what_a_regular_expression_would_say(pattern: str, text: str) -> None:
    import re

    from thingplane.rules.sql.operators import pattern_matcher

    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("%"))), text) is not None
    assert pattern_matcher(pattern)(text) is expected
