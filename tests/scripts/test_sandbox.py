"""Escapes that are tried and fail, and limits that hold."""

import asyncio
import os
import platform
import struct
from pathlib import Path

import pytest

from tests.scripts.support import LANGUAGES, children_of, failure, failures, needs_php, result, run, run_one, script
from thingplane.scripts import frames, limits, process
from thingplane.scripts.language import Function, Language
from thingplane.scripts.outcome import NOT_LOCKED_UP, TOO_LARGE, TOO_LONG, Fault, Outcome, killed
from thingplane.scripts.process import Worker
from thingplane.scripts.sandbox import SandboxError, syscall_filter

JAVASCRIPT, PYTHON, PHP = Language.JAVASCRIPT, Language.PYTHON, Language.PHP


async def test_python_scripts_reach_nothing(worker: Worker, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    tries = [
        f"return open({str(secret)!r}).read()",
        f"return open({str(tmp_path / 'new')!r}, 'w').write('x')",
        "import os; return os.listdir('/')",
        f"import os; os.unlink({str(secret)!r})",
        "import os; os.fork()",
        "import os; os.execv('/bin/sh', ['sh', '-c', 'id'])",
        "import os; os.posix_spawn('/bin/sh', ['sh'], {})",
        "import os; os.kill(os.getppid(), 9)",
        "import os; os.killpg(0, 9)",
        "import os; os.pipe()",
        "import os; os.dup(3)",
        "import os; os.memfd_create('x')",
        "import os; os.setuid(0)",
        "import os; os.open('/proc/self/mem', os.O_RDWR)",
        "import socket; socket.socket()",
        "import socket; socket.socketpair()",
        "import socket; socket.socket(fileno=3).sendmsg([b'x'])",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import threading; threading.Thread(target=print).start()",
        "import time; time.sleep(1)",
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "import signal; signal.signal(signal.SIGPROF, signal.SIG_IGN)",
        "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
        "import subprocess",
        "import multiprocessing",
    ]
    assert set(await failures(worker, PYTHON, tries)) == set(tries)
    assert not (tmp_path / "new").exists()
    assert secret.read_text() == "secret"


async def test_python_scripts_cannot_get_out_with_system_calls_of_their_own(worker: Worker) -> None:
    # getpid is allowed and shows that the way works: socket, openat, clone, ptrace, the 32-bit call gate's numbers.
    calls = "[ctypes.CDLL(None).syscall(n, 0, 0, 0, 0) for n in (39, 41, 257, 56, 101, 0x40000000 + 39)]"
    assert (await result(worker, PYTHON, f"import ctypes; r = {calls}; return [r[0] > 0] + r[1:]")) == [True] + [-1] * 5


def test_where_system_calls_cannot_be_filtered_scripts_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(SandboxError, match="riscv64"):
        syscall_filter()
    assert killed(frames.NO_SANDBOX, PHP, too_long=False).reason == NOT_LOCKED_UP


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_allows_nothing_that_is_not_on_its_list(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    program = [struct.unpack("=HBBI", chunk) for chunk in batched(syscall_filter(), 8)]
    allowed = {number for number in range(600) if decide(program, number) == ALLOW}
    listed = {argument for code, _, _, argument in program[4:] if code == 0x15}
    assert allowed == listed
    mapping = {number for number in listed if decide(program, number, third=4) != ALLOW}
    assert mapping == {"x86_64": {9, 10}, "aarch64": {222, 226}}[machine]
    assert decide(program, min(listed), architecture=0x40000003) == KILL


ALLOW, KILL = 0x7FFF0000, 0x80000000


def batched(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def decide(program: list[tuple[int, int, int, int]], number: int, third: int = 0, architecture: int = 0) -> int:
    """Run a filter, as the kernel does, and return its verdict."""
    words = {0: number, 4: architecture or program[1][3], 32: third}
    accumulator = position = 0
    while True:
        code, if_true, if_false, argument = program[position]
        position += 1
        if code == 0x06:
            return argument
        if code == 0x20:
            accumulator = words[argument]
        else:
            fits = accumulator == argument if code == 0x15 else accumulator & argument
            position += if_true if fits else if_false


async def test_scripts_see_nothing_of_the_nodes_environment(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THINGPLANE_ACCESS_KEY_SECRET", "secret")
    assert set(await result(worker, PYTHON, "import os; return dict(os.environ)")) <= {"TZ", "LANG", "LC_CTYPE"}


def memory_holds(pid: int, text: bytes) -> bool:
    """Tell whether a child process has the text anywhere in its own memory."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb") as memory:
        for line in maps:
            span, permissions, *_ = line.split()
            if permissions.startswith("rw"):
                start, end = (int(bound, 16) for bound in span.split("-"))
                memory.seek(start)
                if text in memory.read(end - start):
                    return True
    return False


async def test_workers_pass_no_script_and_no_message_on_to_the_next_guest(worker: Worker) -> None:
    body = "return 'a-secret-in-a-script' + bytes"
    assert await run_one(worker, script(PYTHON, body), Function.DECODE, "a-secret-in-a-message")
    assert worker.pid is not None
    [guest] = children_of(worker.pid)
    for secret in (b"a-secret-in-a-script", b"a-secret-in-a-message"):
        assert memory_holds(guest, secret)
        assert not memory_holds(worker.pid, secret)


async def test_javascript_has_no_way_to_the_machine(worker: Worker) -> None:
    names = [
        "require",
        "process",
        "std",
        "os",
        "load",
        "fetch",
        "XMLHttpRequest",
        "setTimeout",
        "WebAssembly",
        "import",
    ]
    body = f"return {names}.filter(function (name) {{ return name in globalThis; }});"
    assert await result(worker, JAVASCRIPT, body) == []
    assert (await failure(worker, JAVASCRIPT, "import('os');")).fault is not None


@needs_php
async def test_php_scripts_reach_nothing(worker: Worker, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    tries = {
        f"return @file_get_contents('{secret}');": False,
        f"return @file_put_contents('{tmp_path}/new', 'x');": False,
        f"return @unlink('{secret}');": False,
        "return @scandir('/');": False,
        "return @shell_exec('id');": False,
        "return @fsockopen('127.0.0.1', 80);": False,
        "return @stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);": False,
        "return @pcntl_fork();": -1,
        "return FFI::cdef('int kill(int, int); int getppid();')->kill(getmypid(), 9);": -1,
        "return FFI::cdef('int open(const char *, int);')->open('/etc/passwd', 0);": -1,
    }
    for body, answer in tries.items():
        assert await result(worker, PHP, body) == answer, body
    assert (
        "pcntl_exec"
        in (await failure(worker, PHP, "if (!@pcntl_exec('/bin/id')) throw new Exception('pcntl_exec');")).reason
    )
    assert secret.read_text() == "secret"


LOOPS = {
    JAVASCRIPT: "for (;;) {}",
    PYTHON: "while True: pass",
    PHP: "while (true);",
}
REGEXES = {
    JAVASCRIPT: "return /(a+)+$/.test('a'.repeat(40) + 'b');",
    PYTHON: "import re; return re.match('(a+)+$', 'a' * 40 + 'b')",
    # PHP gives up by itself after a million steps, unless it is told not to.
    PHP: "ini_set('pcre.backtrack_limit', 4000000000); return preg_match('/(a+)+$/', str_repeat('a', 40) . 'b');",
}
BOMBS = {
    JAVASCRIPT: "var a = []; for (;;) a.push(new Uint8Array(1 << 20));",
    PYTHON: "a = []\n while True: a.append('x' * (1 << 20))",
    PHP: "$a = []; while (true) $a[] = str_repeat('x', 1 << 20);",
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_endless_loop_costs_one_message(worker: Worker, language: Language) -> None:
    outcome = await failure(worker, language, LOOPS[language])
    assert (outcome.fault, outcome.reason, outcome.stopped) == (Fault.THREW, TOO_LONG, True)
    assert await result(worker, language, "return 1;") == 1


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_catastrophic_regular_expression_costs_one_message(worker: Worker, language: Language) -> None:
    outcome = await failure(worker, language, REGEXES[language])
    assert (outcome.reason, outcome.stopped) == (TOO_LONG, True)
    assert await result(worker, language, "return 1;") == 1


async def test_a_loop_inside_the_engine_is_ended_too(worker: Worker) -> None:
    outcome = await failure(worker, JAVASCRIPT, "return new Array(4294967295).indexOf(1);")
    assert (outcome.reason, outcome.stopped) == (TOO_LONG, True)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_memory_bomb_costs_one_message(worker: Worker, language: Language) -> None:
    outcome = await failure(worker, language, BOMBS[language])
    assert (outcome.fault, outcome.reason, outcome.stopped) == (Fault.THREW, TOO_LARGE, True)
    assert await result(worker, language, "return 1;") == 1


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_memory_bomb_does_not_touch_the_calls_behind_it(worker: Worker, language: Language) -> None:
    # The script grows what it keeps, if it can, as long as it gets a 0.
    body = {
        JAVASCRIPT: "if (bytes[0]) return 1; var a = []; for (;;) a.push(new Uint8Array(1 << 20));",
        PYTHON: "import re; a = re.a = getattr(re, 'a', [])\n while not bytes[0]: a.append('x' * 2**20)\n return 1",
        PHP: "if ($bytes[0]) return 1; $a = []; while (true) $a[] = str_repeat('x', 1 << 20);",
    }[language]
    outcomes: list[Outcome] = []
    calls = [process.Call(Function.DECODE, b"[[%d]]" % number) for number in (1, 0, 1, 0, 0, 1)]
    assert await worker.run(script(language, body), calls, outcomes.append) is None
    assert [outcome.result for outcome in outcomes] == [b"1", b"", b"1", b"", b"", b"1"]


async def test_a_guest_is_replaced_after_many_calls(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CALLS_PER_GUEST", 3)
    count = script(PYTHON, "import json; json.n = getattr(json, 'n', 0) + 1; return json.n")
    outcomes = await run(worker, count, times=7)
    assert [outcome.result for outcome in outcomes] == [b"1", b"2", b"3", b"1", b"2", b"3", b"1"]
    assert (await run_one(worker, count)).result == b"2"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_endless_recursion_costs_one_message(worker: Worker, language: Language) -> None:
    body = {PYTHON: "return raw_data_to_protocol(bytes)"}.get(language, "return rawDataToProtocol($bytes);")
    if language is JAVASCRIPT:
        body = body.replace("$", "")
    assert (await failure(worker, language, body)).fault is Fault.THREW
    assert await result(worker, language, "return 1;") == 1


@pytest.mark.parametrize("language", [PYTHON, pytest.param(PHP, marks=needs_php)])
async def test_a_crash_costs_one_message_and_none_of_those_around_it(worker: Worker, language: Language) -> None:
    body = {
        PYTHON: "import ctypes; return 1 if bytes[0] else ctypes.string_at(0)",
        PHP: "return $bytes[0] ? 1 : FFI::string(FFI::cast('char *', FFI::new('long')));",
    }[language]
    crash = script(language, body)
    outcomes: list[Outcome] = []
    calls = [process.Call(Function.DECODE, b"[[%d]]" % number) for number in (1, 1, 0, 1)]
    death = await worker.run(crash, calls, outcomes.append)
    assert [outcome.result for outcome in outcomes] == [b"1", b"1"]
    assert death is not None
    assert (death.fault, death.stopped) == (Fault.THREW, True)
    assert "SIGSEGV" in death.reason
    assert await worker.run(crash, calls[3:], outcomes.append) is None
    assert outcomes[-1].result == b"1"


async def test_a_guest_that_ends_itself_is_replaced(worker: Worker) -> None:
    for status in (3, 0):
        assert f"status {status}" in (await failure(worker, PYTHON, f"import os; os._exit({status})")).reason
    assert await result(worker, PYTHON, "return 1") == 1


@needs_php
async def test_a_php_process_that_ends_without_an_answer_does_not_get_that_of_the_next_message(worker: Worker) -> None:
    body = "if (!$bytes[0]) FFI::cdef('void _exit(int);')->_exit(0); return $bytes[0];"
    outcomes: list[Outcome] = []
    calls = [process.Call(Function.DECODE, b"[[%d]]" % number) for number in (1, 0, 2)]
    death = await worker.run(script(PHP, body), calls, outcomes.append)
    assert [outcome.result for outcome in outcomes] == [b"1"]
    assert death is not None
    assert "status 0" in death.reason


async def test_a_script_that_computes_on_after_its_answer_is_ended_soon(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IDLE_S", 0.1)
    answer = b"\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x001"
    body = (
        "import os, signal\n signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF})\n"
        f" os.write(3, {answer!r})\n while True: pass"
    )
    assert await result(worker, PYTHON, body) == 1
    assert worker.pid is not None
    [guest] = children_of(worker.pid)
    descriptor = os.pidfd_open(guest)
    ended = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(descriptor, ended.set_result, None)
    await asyncio.wait_for(ended, 10)
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)
    assert await result(worker, PYTHON, "return 2") == 2


async def test_a_guest_that_rests_is_ended_and_the_next_call_finds_another(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IDLE_S", 0.0)
    count = script(PYTHON, "import json; json.n = getattr(json, 'n', 0) + 1; return json.n")
    for _ in range(5):
        assert (await run_one(worker, count)).result == b"1"
        await asyncio.sleep(0)


async def test_products_with_the_same_script_share_no_guest(worker: Worker) -> None:
    keep = script(PYTHON, "import json; json.kept = getattr(json, 'kept', []) + bytes; return json.kept")
    outcomes: list[Outcome] = []
    for owner, number in ((1, 10), (2, 20), (2, 21), (1, 11)):
        await worker.run(keep, [process.Call(Function.DECODE, b"[[%d]]" % number)], outcomes.append, owner)
    assert [outcome.result for outcome in outcomes] == [b"[10]", b"[20]", b"[20,21]", b"[11]"]


async def test_a_script_that_evades_its_time_limit_is_killed_by_the_node(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WALL_S", 0.5)
    body = "import signal; signal.setitimer(signal.ITIMER_PROF, 0)\n while True: pass"
    assert (await failure(worker, PYTHON, body)).reason == TOO_LONG


@pytest.mark.parametrize(
    "forged",
    [
        b"\xff" * 64,  # no kind of result
        b"\x00" + b"\x00" * 4 + b"\xff" * 8,  # longer than results may be
    ],
)
async def test_a_guest_that_breaks_the_protocol_is_ended(worker: Worker, forged: bytes) -> None:
    await failure(worker, PYTHON, f"import os; os.write(3, {forged!r})")
    assert await result(worker, PYTHON, "return 1") == 1


async def test_a_forged_result_does_not_reach_the_next_product(worker: Worker) -> None:
    frame = b"\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x00forged"
    await run(worker, script(PYTHON, f"import os; os.write(3, {frame * 9!r}); return 1"))
    assert await result(worker, PYTHON, "return 2") == 2


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_result_that_is_too_long_is_an_error(worker: Worker, language: Language) -> None:
    body = {
        JAVASCRIPT: "return 'x'.repeat(600 * 1024);",
        PYTHON: "return 'x' * (600 * 1024)",
        PHP: "return str_repeat('x', 600 * 1024);",
    }[language]
    assert "longer than" in (await failure(worker, language, body)).reason


async def test_closing_a_worker_ends_the_guest_in_the_middle_of_a_loop(worker: Worker) -> None:
    running = asyncio.create_task(run(worker, script(PYTHON, "while True: pass")))
    while worker.script is None:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    pid = worker.pid
    assert pid is not None
    running.cancel()
    await asyncio.wait([running])
    assert worker.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
