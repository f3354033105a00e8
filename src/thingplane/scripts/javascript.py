"""Scripts in JavaScript (guest side): QuickJS.

A script is compiled as the body of a function, which runs anew for every call: what the script declares is gone
afterwards. The context, which takes ten times as long to make as a usual call, stays for the calls that have arrived
together, unless a call added something to the global object or to one of the usual built-in ones, replaced something
there, or failed.
"""

import re
from collections.abc import Callable

import quickjs  # type: ignore[import-untyped]

from thingplane.scripts.frames import Kind
from thingplane.scripts.language import Function
from thingplane.scripts.limits import CONSOLE_CHARACTERS, CPU_S, MEMORY_BYTES

_RUN = """
(function (make) {
    var parse = JSON.parse, stringify = JSON.stringify, join = Array.prototype.join, apply = Reflect.apply;
    var isView = ArrayBuffer.isView, from = Array.from, text = String;
    // Long texts put together with + are trees that cannot be handed out; join makes one piece of them.
    function answer(head, text) { return apply(join, [head, text], ['']); }
    %(watch)s
    %(print)s
    // The first letter of an answer is the kind, the second tells whether the context is as it was.
    return function (name, message) {
        if (name === '') return answer('', printed);
        printed = '';
        var found = make(console)[name];
        if (found === undefined) return 'm-';
        var result = apply(found, undefined, parse(message)), state = isClean() ? '+' : '-';
        if (result === undefined || result === null) return 'n' + state;
        if (isView(result)) result = from(result);
        try { result = stringify(result); } catch (error) { return answer('x-', text(error)); }
        return result === undefined ? 'x-a function has no form in JSON' : answer('r' + state, result);
    };
})
"""
# Parts that take as long to compile as a usual script, and are left out where they are not needed.
_WATCH = """
    var keys = Reflect.ownKeys, watched = [
        globalThis, Object, Object.prototype, Function.prototype, Array, Array.prototype, String, String.prototype,
        Number, Number.prototype, Date, Date.prototype, Math, JSON
    ];
    function properties() {
        for (var count = 0, i = 0; i < watched.length; i++) count += keys(watched[i]).length;
        return count;
    }
    var clean = properties();
    function isClean() { return properties() === clean%(same)s; }
"""
# Takes as long as a usual call: for scripts whose text looks as if they could replace something.
_COMPARE = """
    var names = watched.map(function (object) {
        return keys(object).filter(function (key) { return Object.getOwnPropertyDescriptor(object, key).writable; });
    });
    var values = watched.map(function (object, i) { return names[i].map(function (key) { return object[key]; }); });
    function isSame() {
        for (var i = 0; i < watched.length; i++) {
            var object = watched[i], own = names[i], before = values[i];
            for (var k = 0; k < own.length; k++) if (object[own[k]] !== before[k]) return false;
        }
        return true;
    }
"""
_NO_WATCH = "function isClean() { return false; }"
_USES = re.compile(r"\b(?:Array|Date|JSON|Math|Number|Object|String)\s*(?:\.\s*\w+\s*)?\(")
"""Calls of what is built in, which are not ``_SUSPECT``."""
_SUSPECT = re.compile(
    r"\b(?:Array|Date|JSON|Math|Number|Object|String|Function|Reflect|assign|constructor|defineProperty"
    r"|defineProperties|eval|globalThis|prototype|__proto__|this)\b"
    r"|\b(?:decodeURI|decodeURIComponent|encodeURI|encodeURIComponent|escape|isFinite|isNaN|parseFloat|parseInt|unescape"
    r"|DataView|Error|Map|RegExp|Set|Symbol|Uint8Array)\s*=(?!=)"
)
_PRINT = """
    var printed = '', console = { log: print, info: print, warn: print, error: print, debug: print };
    function print() {
        var line = '';
        for (var i = 0; i < arguments.length; i++) {
            var part = arguments[i];
            line += (i ? ' ' : '') + (typeof part === 'object' && part !== null ? stringify(part) : text(part));
        }
        if (printed.length < %d) printed += line + '\\n';
    }
"""
_NO_PRINT = "var printed = '', console;"
_BEFORE = "(function (console) { return (function () {"
_AFTER = "\n;return {{ {} }}; }}).call(globalThis); }})".format(
    ", ".join(
        f"{name}: typeof {name} === 'function' ? {name} : undefined" for name in (item.value for item in Function)
    )
)
_KINDS = {"r": Kind.RETURNED, "n": Kind.NOTHING, "m": Kind.MISSING, "x": Kind.NOT_JSON}
Run = Callable[[str, str], str]
_STACK_BYTES = 1024 * 1024


class JavaScript:
    """A script; see ``guest.Program``."""

    def __init__(self, source: str) -> None:
        self._text = _BEFORE + source + _AFTER
        self._prints = "console" in source
        printing = _PRINT % CONSOLE_CHARACTERS if self._prints else _NO_PRINT
        self._run_once = _RUN % {"watch": _NO_WATCH, "print": printing}
        watch = _WATCH % {"same": ""}
        if _SUSPECT.search(_USES.sub("", source)):
            watch = _WATCH % {"same": " && isSame()"} + _COMPARE
        self._run_often = _RUN % {"watch": watch, "print": printing}
        self._run: Run | None = None
        """In a context that is as it was before the first call."""

    def call(self, name: str, arguments: bytes, *, last: bool) -> tuple[Kind, str, str]:
        run, self._run = self._run, None
        try:
            run = run or self._prepare(self._run_once if last else self._run_often)
            answer = run(name, arguments.decode())
        except quickjs.JSException as error:
            kind, result = _failure(str(error).strip())
        else:
            kind, result = _KINDS[answer[0]], answer[2:]
            if answer[1] == "+" and not last:
                self._run = run
        return kind, result, self._printed(run) if run is not None and self._prints else ""

    def _prepare(self, run: str) -> Run:
        context = quickjs.Context()
        context.set_memory_limit(MEMORY_BYTES)
        context.set_max_stack_size(_STACK_BYTES)
        context.set_time_limit(CPU_S)
        prepared: Run = context.eval(run)(context.eval(self._text))
        return prepared

    def _printed(self, run: Run) -> str:
        try:
            return run("", "")
        except quickjs.JSException:  # no memory left to say it
            return ""


def _failure(error: str) -> tuple[Kind, str]:
    if error.startswith("InternalError: interrupted"):
        return Kind.TIME, ""
    # Without memory left, there may be none for the message either.
    first_line = error.split("\n", maxsplit=1)[0]
    if first_line in {"InternalError: out of memory", "InternalError"}:
        return Kind.MEMORY, ""
    return Kind.THREW, error
