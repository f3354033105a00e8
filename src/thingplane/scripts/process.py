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

OnOutcome = Callable[[Outcome], bool | None]
"""Gets the end of each call; True: no further call is to be made."""


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
        self._rest: asyncio.TimerHandle | None = None
        """Ends a guest that gets no calls."""
        self._ending: asyncio.Task[int | None] | None = None

    @property
    def script(self) -> Script | None:
        """What its guest is for; None without a guest."""
        return None if self._guest is None else self._guest.script

    def serves(self, owner: int, script: Script) -> bool:
        """Tell whether its guest is for this script of this owner."""
        return self._guest is not None and (self._guest.owner, self._guest.script) == (owner, script)

    @property
    def pid(self) -> int | None:
        """Process id; None while there is no process."""
        return None if self._process is None else self._process.pid

    async def run(self, script: Script, calls: Sequence[Call], on_outcome: OnOutcome, owner: int = 0) -> Outcome | None:
        """Make calls, one after the other; the guest stays a while for the next calls of the same script.

        Args:
            script: what to run.
            calls: what to call.
            on_outcome: gets the end of each call, in order, as soon as it is known.
            owner: whose script it is. The same text of another owner runs in another guest: what a script keeps of the
                messages of one must not reach the other.

        Returns:
            None when all calls have ended, or ``on_outcome`` wanted no more. Otherwise what became of the first call
            that ``on_outcome`` was not called for: the guest died of it, and the calls behind it were not made.

        Raises:
            OSError: no worker process can be started.
        """
        refusal = self._refusal(script)
        if refusal is not None:
            for _ in calls:
                on_outcome(refusal)
            return None
        ended = attempts = 0
        enough = False

        def count(outcome: Outcome) -> bool:
            nonlocal ended, enough
            ended += 1
            enough = bool(on_outcome(outcome))
            return enough

        await self._rested()
        try:
            while ended < len(calls) and not enough:
                guest = await self._guest_for(owner, script)
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
        if self._guest is not None:
            self._rest = asyncio.get_running_loop().call_later(limits.IDLE_S, self._begin_rest)
        return None

    def _begin_rest(self) -> None:
        self._rest = None
        self._ending = asyncio.get_running_loop().create_task(self._end_guest())

    async def _rested(self) -> None:
        """Keep the guest, or wait until it has ended when it is too late for that."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        ending, self._ending = self._ending, None
        if ending is not None:
            await ending

    async def close(self) -> None:
        """End the process and its guest."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        ending, self._ending = self._ending, None
        # The end of a guest finds out when the worker is dead, and comes here itself.
        if ending is not None and ending is not asyncio.current_task():
            ending.cancel()
            await asyncio.wait([ending])
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

    async def _guest_for(self, owner: int, script: Script) -> "_Guest":
        if self._guest is not None and self.serves(owner, script):
            return self._guest
        await self._end_guest()
        try:
            self._guest = await self._begin_guest(owner, script)
        except ConnectionError:
            # The worker has died while nobody looked; that is not the script's fault.
            await self.close()
            self._guest = await self._begin_guest(owner, script)
        return self._guest

    async def _begin_guest(self, owner: int, script: Script) -> "_Guest":
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
        return _Guest(owner, script, control, reader, writer)

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
        self,
        owner: int,
        script: Script,
        control: socket.socket,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.owner = owner
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
        self._warm = False
        """Whether it has ended a call: the first one takes longer, also while the worker starts."""

    async def run(self, calls: Sequence[Call], on_outcome: OnOutcome) -> None:
        """Make calls until all have ended, ``on_outcome`` wants no more, or the guest is worn.

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
                now = loop.time()
                long = self._warm and now - self._progress > limits.LONG_S
                self._progress, self._warm = now, True
                outcome = ended(Kind(kind), text, printed.decode(errors="replace"), elapsed_us, long=long)
                enough = on_outcome(outcome)
                self._calls_left -= 1
                # Memory that a script has used up may be kept by what it left behind. A guest that is to make no more
                # calls has got them already.
                if kind == Kind.MEMORY or not self._calls_left or enough:
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
