"""``thingplane serve``: run a node."""

import gc
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thingplane.cli import CommandError
from thingplane.cli.flags import NO_FLAGS, SettingFlags, given
from thingplane.settings import SettingsError, load_settings


def serve(
    *,
    config: Annotated[
        Path | None, Parameter(help="TOML file with settings [default: thingplane.toml, if there]")
    ] = None,
    flags: SettingFlags = NO_FLAGS,
) -> int:
    """Run a node until SIGTERM or SIGINT.

    Settings come from flags, THINGPLANE_* environment variables and a TOML file, in that order of precedence.
    """
    try:
        settings = load_settings(given(flags), file=config)
    except SettingsError as error:
        raise CommandError(str(error)) from None
    # structlog would import rich for tracebacks that a node does not write: a tenth of a second and 6 MB.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # documented: None forbids the import
    # Nothing of what starting makes is garbage; the node turns the collector on when it is ready.
    gc.disable()
    from thingplane.node import StartError, run  # noqa: PLC0415 - other commands do without a node's imports

    try:
        return run(settings)
    except StartError as error:
        raise CommandError(str(error)) from None
