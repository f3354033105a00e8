"""``thingplane serve``: run a node."""

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
    from thingplane.node import StartError, run  # noqa: PLC0415 - other commands do without a node's imports

    try:
        return run(settings)
    except StartError as error:
        raise CommandError(str(error)) from None
