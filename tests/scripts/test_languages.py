"""What scripts get, what they may return, and what they see of the world."""

from typing import Any

import msgspec
import pytest

from tests.scripts import examples
from tests.scripts.support import LANGUAGES, failure, needs_php, result, run, run_one, script
from thingplane.scripts.language import Function, Language
from thingplane.scripts.outcome import Fault
from thingplane.scripts.process import Script, Worker

JAVASCRIPT, PYTHON, PHP = Language.JAVASCRIPT, Language.PYTHON, Language.PHP


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_worked_example_of_the_protocol(worker: Worker, language: Language) -> None:
    async def returned(function: Function, *arguments: Any) -> Any:
        outcome = await run_one(worker, examples.SCRIPTS[language], function, *arguments)
        assert outcome.fault is None, outcome
        return msgspec.json.decode(outcome.result)

    assert await returned(Function.DECODE, list(examples.POST)) == examples.POST_MESSAGE
    assert bytes(await returned(Function.ENCODE, examples.POST_REPLY_MESSAGE)) == examples.POST_REPLY
    assert bytes(await returned(Function.ENCODE, examples.SET_MESSAGE)) == examples.SET
    assert await returned(Function.DECODE, list(examples.SET_REPLY)) == examples.SET_REPLY_MESSAGE
    topic = "/a1ExampleK1/sensor-01/user/update"
    assert await returned(Function.TRANSFORM, topic, list(examples.POST)) == {"topic": topic, "temp": -123, "sw": 1}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_calls_do_not_see_what_others_left(worker: Worker, language: Language) -> None:
    outcomes = await run(worker, examples.SCRIPTS[language], Function.DECODE, list(examples.POST), times=10)
    assert [msgspec.json.decode(outcome.result)["id"] for outcome in outcomes] == ["77"] * 10


@pytest.mark.parametrize(
    "body",
    [
        "n = typeof n === 'undefined' ? 0 : n + 1; return { n: n };",
        "globalThis.n = (globalThis.n || 0) + 1; return { n: n - 1 };",
        "Object.prototype.n = ({}).n === undefined ? 0 : ({}).n + 1; return { n: ({}).n };",
        "Math.n = Math.n === undefined ? 0 : Math.n + 1; return { n: Math.n };",
        "var f = String.prototype; f.n = (f.n || 0) + 1; return { n: f.n - 1 };",
        "var n = this === undefined ? 0 : 1; return { n: 0 };",
        "var f = Math.floor; Math.floor = function (x) { return f(x) + 1; }; return { n: Math.floor(0) - 1 };",
        "var f = parseInt; parseInt = function (x) { return f(x) + 1; }; return { n: parseInt('0') - 1 };",
        "var a = [].__proto__, f = a.at; a.at = function () { return f.call(this) + 1; }; return { n: [0].at() - 1 };",
        "var n = JSON.stringify.n || 0; JSON.stringify = function () {}; JSON.stringify.n = n + 1; return { n: n };",
    ],
)
async def test_globals_in_javascript_end_with_the_call(worker: Worker, body: str) -> None:
    outcomes = await run(worker, script(JAVASCRIPT, body), times=5)
    assert [msgspec.json.decode(outcome.result)["n"] for outcome in outcomes] == [0] * 5


@pytest.mark.parametrize(
    ("language", "body", "fault"),
    [
        (JAVASCRIPT, "", Fault.NOTHING),
        (JAVASCRIPT, "return null;", Fault.NOTHING),
        (JAVASCRIPT, "return 1n;", Fault.NOT_JSON),
        (JAVASCRIPT, "return function () {};", Fault.NOT_JSON),
        (JAVASCRIPT, "var a = {}; a.a = a; return a;", Fault.NOT_JSON),
        (JAVASCRIPT, "throw new Error('no such type');", Fault.THREW),
        (JAVASCRIPT, "throw null;", Fault.THREW),
        (JAVASCRIPT, "this is no JavaScript", Fault.THREW),
        (JAVASCRIPT, "} function other() {", Fault.NOTHING),
        (PYTHON, "pass", Fault.NOTHING),
        (PYTHON, "return {1, 2}", Fault.NOT_JSON),
        (PYTHON, "return float('nan')", Fault.NOT_JSON),
        (PYTHON, "raise ValueError('no such type')", Fault.THREW),
        (PYTHON, "raise SystemExit", Fault.THREW),
        (PYTHON, "raise KeyboardInterrupt", Fault.THREW),
        (PYTHON, "print 'x'", Fault.THREW),
        pytest.param(PHP, "", Fault.NOTHING, marks=needs_php),
        pytest.param(PHP, "return NAN;", Fault.NOT_JSON, marks=needs_php),
        pytest.param(PHP, 'return "\\xff";', Fault.NOT_JSON, marks=needs_php),
        pytest.param(PHP, "throw new Exception('no such type');", Fault.THREW, marks=needs_php),
        pytest.param(PHP, "exit(0);", Fault.THREW, marks=needs_php),
        pytest.param(PHP, "this is no PHP", Fault.THREW, marks=needs_php),
        pytest.param(PHP, "} function rawDataToProtocol() {", Fault.THREW, marks=needs_php),
        pytest.param(PHP, "return noSuchFunction();", Fault.THREW, marks=needs_php),
    ],
)
async def test_failures_have_their_documented_code(worker: Worker, language: Language, body: str, fault: Fault) -> None:
    outcome = await failure(worker, language, body)
    assert outcome.fault is fault
    assert outcome.reason
    assert not outcome.stopped


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_missing_function_is_told_from_an_error(worker: Worker, language: Language) -> None:
    outcome = await run_one(worker, script(language, "return 1;"), Function.ENCODE, {})
    assert outcome.fault is Fault.MISSING


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_error_names_what_is_wrong_and_where(worker: Worker, language: Language) -> None:
    body = {JAVASCRIPT: "\nnoSuchName();", PYTHON: "no_such_name()", PHP: "\nnoSuchName();"}[language]
    reason = (await failure(worker, language, body)).reason
    assert "name" in reason.lower()
    assert "2" in reason


@pytest.mark.parametrize("source", ["", " \n\t"])
async def test_an_empty_script_is_told_without_running_it(worker: Worker, source: str) -> None:
    assert (await run_one(worker, Script(PYTHON, source))).fault is Fault.EMPTY
    assert worker.pid is None


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_scripts_print_is_kept_apart_from_the_result_and_cut_off(worker: Worker, language: Language) -> None:
    body = {
        JAVASCRIPT: "for (var i = 0; i < 9999; i++) console.log('line', i, {a: 1}); return {a: 1};",
        PYTHON: "print('line 0 {\"a\":1}\\n' * 9999); return {'a': 1}",
        PHP: 'for ($i = 0; $i < 9999; $i++) echo "line $i {\\"a\\":1}\\n"; return [\'a\' => 1];',
    }[language]
    outcome = await run_one(worker, script(language, body))
    assert outcome.result == b'{"a":1}'
    assert outcome.printed.startswith('line 0 {"a":1}\n')
    assert 8000 < len(outcome.printed) < 9000


@pytest.mark.parametrize("language", LANGUAGES)
async def test_scripts_see_the_time_of_the_region(worker: Worker, language: Language) -> None:
    body = {
        JAVASCRIPT: "return new Date(0).getHours();",
        PYTHON: "import datetime; return datetime.datetime.fromtimestamp(0).hour",
        PHP: "return (int) date('H', 0);",
    }[language]
    assert await result(worker, language, body) == 8


@pytest.mark.parametrize("language", LANGUAGES)
async def test_text_of_all_languages_passes_unchanged(worker: Worker, language: Language) -> None:
    body = {
        JAVASCRIPT: "return { name: '温度 \\u{1f321}' };",
        PYTHON: "return {'name': u'温度 \\U0001f321'}",
        PHP: 'return ["name" => "温度 \\u{1f321}"];',
    }[language]
    assert await result(worker, language, body) == {"name": "温度 \U0001f321"}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_long_texts_pass_unchanged(worker: Worker, language: Language) -> None:
    body = {
        JAVASCRIPT: "var t = 'a'; while (t.length < 100000) t = t + t; return [t + 'b', t];",
        PYTHON: "t = 'a' * 131072; return [t + 'b', t]",
        PHP: "$t = str_repeat('a', 131072); return [$t . 'b', $t];",
    }[language]
    assert await result(worker, language, body) == ["a" * 131072 + "b", "a" * 131072]


async def test_javascript_beyond_ecmascript_5(worker: Worker) -> None:
    body = "const [first] = bytes; return { s: 'abc'.includes('b'), a: new Uint8Array([first, 2]), v: [...bytes] };"
    assert await result(worker, JAVASCRIPT, body) == {"s": True, "a": {"0": 7, "1": 2}, "v": [7]}
    assert await result(worker, JAVASCRIPT, "return new Uint8Array([1, 255]);") == [1, 255]
    arrow = Script(JAVASCRIPT, "'use strict'; const rawDataToProtocol = (bytes) => ({ n: bytes.length })")
    assert (await run_one(worker, arrow)).result == b'{"n":1}'


async def test_python_computes_as_the_vendors_version_2(worker: Worker) -> None:
    assert await result(worker, PYTHON, "n = 7; n /= 2; return [7 / 2, -7 / 2, 7.0 / 2, n, bytes[0] / 2]") == [
        *(3, -4, 3.5, 3, 3)
    ]
    assert await result(worker, PYTHON, "a = [9]; a[0] /= 2; return a + [long(1), unicode(2), unichr(65)]") == [
        *(4, 1, "2", "A")
    ]
    modern = Script(PYTHON, "from __future__ import division\ndef raw_data_to_protocol(b): return 7 / 2")
    assert (await run_one(worker, modern)).result == b"3.5"


async def test_python_scripts_may_import_what_is_for_computing_only(worker: Worker) -> None:
    body = "import json, math, struct, binascii, datetime, re, collections; return struct.unpack('>h', b'\\1\\2')[0]"
    assert await result(worker, PYTHON, body) == 258
    assert "ModuleNotFoundError" in (await failure(worker, PYTHON, "import subprocess")).reason


@needs_php
async def test_php_scripts_come_with_and_without_their_tag(worker: Worker) -> None:
    for before in ("<?php ", "\n<?php\n", ""):
        source = Script(PHP, before + "$step = 2; function rawDataToProtocol($b) { global $step; return [$step]; }")
        assert (await run_one(worker, source)).result == b"[2]"


async def test_without_an_interpreter_php_scripts_fail_with_the_package_to_install() -> None:
    worker = Worker("")
    outcome = await run_one(worker, script(PHP, "return 1;"))
    assert outcome.fault is Fault.THREW
    assert "php-cli" in outcome.reason
    assert worker.pid is None


async def test_an_interpreter_that_is_gone_is_named() -> None:
    worker = Worker("/nonexistent/php")
    try:
        assert "php-cli" in (await run_one(worker, script(PHP, "return 1;"))).reason
        assert await result(worker, JAVASCRIPT, "return 1;") == 1
    finally:
        await worker.close()
