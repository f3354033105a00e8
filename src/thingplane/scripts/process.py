"""The node's side of one worker process and of the guest in it."""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from thingplane.scripts import limits
from thingplane.scripts.frames import CALL, JAVASCRIPT, KILL, LENGTH, PHP, PYTHON, RESULT, STATUS, Kind
from thingplane.scripts.language import Function, Language
from thingplane.scripts.outcome import NO_PHP, Fault, Outcome, ended, killed

_REQUESTS: Final = {Language.JAVASCRIPT: JAVASCRIPT, Language.PYTHON: PYTHON, Language.PHP: PHP}
# Scripts see local times of the region (UTC+8), as all texts without a zone that the platform writes.
_ENVIRONMENT: Final = {"TZ": "<+08>-8", "LANG": "C.UTF-8"}

OnOutcome = Callable[[Outcome], None]


class Script(msgspec.Struct, frozen=True):
    """The text of a script and its language."""

    language: Language
    source: str


class Call(NamedTuple):
    """One call of a function."""

    function: Function
    arguments: bytes
    """JSON text of an array."""


class Worker:
    """A worker process; it is started when it is needed, also again after it has died."""

    def __init__(self, php: str = "") -> None:
        """Remember what the process needs.

        Args:
            php: path of the PHP interpreter; empty: PHP scripts fail with a reason that says what to install.
        """
        self._php = php
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._guest: _Guest | None = None

    @property
    def script(self) -> Script | None:
        """What its guest is for; None without a guest."""
        return None if self._guest is None else self._guest.script

    @property
    def pid(self) -> int | None:
        """Process id; None while there is no process."""
        return None if self._process is None else self._process.pid

    async def run(self, script: Script, calls: Sequence[Call], on_outcome: OnOutcome) -> Outcome | None:
        """Make calls, one after the other; the guest stays for the next calls of the same script.

        Args:
            script: what to run.
            calls: what to call.
            on_outcome: gets the end of each call, in order, as soon as it is known.

        Returns:
            None when all calls have ended. Otherwise what became of the first call that ``on_outcome`` was not called
            for: the guest died of it, and the calls behind it were not made.

        Raises:
            OSError: no worker process can be started.
        """
        refusal = self._refusal(script)
        if refusal is not None:
            for _ in calls:
                on_outcome(refusal)
            return None
        ended = attempts = 0

        def count(outcome: Outcome) -> None:
            nonlocal ended
            ended += 1
            on_outcome(outcome)

        try:
            while ended < len(calls):
                guest = await self._guest_for(script)
                try:
                    await guest.run(calls[ended:], count)
                except (EOFError, ConnectionError, msgspec.ValidationError):
                    status = await self._end_guest()
                    # The death of the worker itself is no script's fault, unless it happens again.
                    attempts += 1
                    if status is not None or attempts > 1:
                        status = -signal.SIGKILL if status is None else status
                        return killed(status, script.language, too_long=guest.too_long)
                else:
                    if guest.is_worn:
                        await self._end_guest()
        except BaseException:
            # What the guest would still say belongs to calls that nobody waits for.
            await self.close()
            raise
        return None

    async def close(self) -> None:
        """End the process and its guest."""
        process, control, guest = self._process, self._control, self._guest
        self._process = self._control = self._guest = None
        if guest is not None:
            guest.close()
        if control is not None:
            control.close()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _refusal(self, script: Script) -> Outcome | None:
        if not script.source.strip():
            return Outcome(fault=Fault.EMPTY, reason="the script is empty")
        if script.language is Language.PHP and not self._php:
            return Outcome(fault=Fault.THREW, reason=NO_PHP)
        return None

    async def _guest_for(self, script: Script) -> "_Guest":
        if self._guest is not None and self._guest.script == script:
            return self._guest
        await self._end_guest()
        try:
            self._guest = await self._begin_guest(script)
        except ConnectionError:
            # The worker has died while nobody looked; that is not the script's fault.
            await self.close()
            self._guest = await self._begin_guest(script)
        return self._guest

    async def _begin_guest(self, script: Script) -> "_Guest":
        control = self._control or await self._start()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(control, [_REQUESTS[script.language]], [theirs.fileno()])
            except ConnectionError:
                ours.close()
                raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        source = script.source.encode(errors="replace")
        writer.write(LENGTH.pack(len(source)) + source)
        return _Guest(script, control, reader, writer)

    async def _end_guest(self) -> int | None:
        """End the guest, if there is one, and return its exit status; None when the worker has died, and so both."""
        guest, self._guest = self._guest, None
        if guest is None:
            return 0
        try:
            return await guest.end()
        except (ConnectionError, EOFError):
            await self.close()
            return None

    async def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-m", "thingplane.scripts.worker", self._php),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal is for the node, which still needs its workers then
            )
        self._control = ours
        return ours


class _Guest:
    """The node's end of the socket to a guest."""

    def __init__(
        self, script: Script, control: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.script = script
        self.too_long = False
        """Whether it was killed because it said nothing for too long."""
        self.is_worn = False
        """Whether it is to be replaced before it gets further calls."""
        self._calls_left = limits.CALLS_PER_GUEST
        self._control = control
        self._reader = reader
        self._writer = writer
        self._progress = 0.0

    async def run(self, calls: Sequence[Call], on_outcome: OnOutcome) -> None:
        """Make calls until all have ended, or the guest is worn.

        Raises:
            EOFError, ConnectionError: the guest is dead.
            msgspec.ValidationError: it does not keep to the protocol.
        """
        loop = asyncio.get_running_loop()
        parts = []
        for function, arguments in calls:
            name = function.in_language(self.script.language).encode()
            parts += [CALL.pack(len(name), len(arguments)), name, arguments]
        self._writer.write(b"".join(parts))
        self._progress = loop.time()
        watch = asyncio.create_task(self._watch())
        read = self._reader.readexactly
        try:
            for _ in calls:
                kind, elapsed_us, text_length, printed_length = RESULT.unpack(await read(RESULT.size))
                # Scripts can write to the socket themselves: whatever comes is checked before it is believed.
                if kind > max(Kind) or text_length > limits.RESULT_BYTES or printed_length > limits.PRINTED_BYTES:
                    raise msgspec.ValidationError("not a frame")
                text = await read(text_length)
                printed = await read(printed_length) if printed_length else b""
                self._progress = loop.time()
                on_outcome(ended(Kind(kind), text, printed.decode(errors="replace"), elapsed_us))
                self._calls_left -= 1
                # Memory that a script has used up may be kept by what it left behind.
                if kind == Kind.MEMORY or not self._calls_left:
                    self.is_worn = True
                    return
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while (left := self._progress + limits.WALL_S - loop.time()) > 0:  # noqa: ASYNC110 - an event would have to be
            await asyncio.sleep(left)  # set and cleared for every result
        self.too_long = True
        self._kill()

    async def end(self) -> int:
        """End the guest and return its exit status.

        Raises:
            EOFError, ConnectionError: the worker is dead.
        """
        self.close()
        self._kill()
        loop = asyncio.get_running_loop()
        status = b""
        while len(status) < STATUS.size:
            received = await loop.sock_recv(self._control, STATUS.size - len(status))
            if not received:
                raise EOFError
            status += received
        number: int = STATUS.unpack(status)[0]
        return number

    def _kill(self) -> None:
        # To a worker that is dead, or whose guest has ended by itself, it means nothing.
        with contextlib.suppress(ConnectionError):
            self._control.send(KILL)

    def close(self) -> None:
        self._writer.close()
