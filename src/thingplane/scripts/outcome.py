"""What becomes of a call."""

import signal
from enum import IntEnum
from typing import Final

import msgspec

from thingplane.scripts.frames import NO_INTERPRETER, NO_SANDBOX, Kind
from thingplane.scripts.language import Language
from thingplane.scripts.limits import CPU_S, MEMORY_BYTES
from thingplane.scripts.php import PACKAGE


class Fault(IntEnum):
    """Why a call has no result: codes of the device protocol (reference, 3.2)."""

    NOTHING = 6201
    """The script returned nothing."""
    NOT_JSON = 6207
    """What it returned has no form in JSON."""
    EMPTY = 26001
    """The script's text is blank."""
    THREW = 26002
    """An error that the script did not catch, or it was stopped for using too much time or memory."""
    MISSING = 26006
    """The script does not define the function."""
    WRONG_TYPE = 26007
    """The result is not of the type that the function has to return."""
    THROTTLED = 26010
    """Too many messages of the product are waiting for its script."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The end of one call."""

    result: bytes = b""
    """JSON text of the result; empty with a fault."""
    fault: Fault | None = None
    reason: str = ""
    """What went wrong, in words."""
    printed: str = ""
    """What the script has printed, cut off at 8 Ki characters."""
    elapsed_us: int = 0
    """Duration in microseconds; 0 when the guest did not live to tell."""
    stopped: bool = False
    """Whether the script had to be stopped: too much time or memory, or it crashed its process."""
    long: bool = False
    """Whether the node had to wait long for it."""


TOO_LONG: Final = f"the script took longer than {CPU_S:g} s"
TOO_LARGE: Final = f"the script used more than {MEMORY_BYTES // 1024 // 1024} MB of memory"
NO_PHP: Final = f"PHP scripts need the PHP interpreter: install the package {PACKAGE}"
NOT_LOCKED_UP: Final = "scripts cannot be locked up here: that takes Linux with seccomp on x86-64 or 64-bit ARM"
_FAULTS: Final = {Kind.NOTHING: Fault.NOTHING, Kind.MISSING: Fault.MISSING, Kind.NOT_JSON: Fault.NOT_JSON}
_REASONS: Final = {
    Kind.NOTHING: "the script returned nothing",
    Kind.MISSING: "the script does not define the function",
    Kind.TIME: TOO_LONG,
    Kind.MEMORY: TOO_LARGE,
}
_SIGNALLED: Final = 128
"""PHP exits with the sum of this and the signal that has ended the process of a call, as shells do."""


def ended(kind: Kind, text: bytes, printed: str, elapsed_us: int, *, long: bool) -> Outcome:
    """Return what became of a call that its guest has reported."""
    if kind is Kind.RETURNED:
        return Outcome(text, printed=printed, elapsed_us=elapsed_us, long=long)
    reason = _REASONS.get(kind) or text.decode(errors="replace")
    stopped = kind in {Kind.TIME, Kind.MEMORY}
    fault = _FAULTS.get(kind, Fault.THREW)
    return Outcome(fault=fault, reason=reason, printed=printed, elapsed_us=elapsed_us, stopped=stopped, long=long)


def killed(status: int, language: Language, *, too_long: bool) -> Outcome:
    """Return what became of a call that its guest did not survive.

    Args:
        status: exit status of the guest, or the negative number of a signal.
        language: what it ran.
        too_long: whether the node has ended it.
    """
    if _SIGNALLED < status < _SIGNALLED + signal.NSIG:
        status = _SIGNALLED - status
    if too_long or status == -signal.SIGPROF:
        reason = TOO_LONG
    elif status == NO_SANDBOX:
        reason = NOT_LOCKED_UP
    elif status == NO_INTERPRETER:
        reason = NO_PHP
    elif status == 255 and language is Language.PHP:
        reason = f"PHP cannot run scripts: it needs the extensions FFI and pcntl (package {PACKAGE})"
    elif status < 0:
        reason = f"the script crashed its process ({signal.Signals(-status).name})"
    else:
        reason = f"the script ended its process (status {status})"
    return Outcome(fault=Fault.THREW, reason=reason, stopped=True)
