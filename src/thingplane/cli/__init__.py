"""The ``thingplane`` command. Each command lives in a module that is imported only when it is called."""

import sys
from typing import NoReturn

from cyclopts import App, CycloptsError

from thingplane import __version__

app = App(
    name="thingplane",
    help="Self-hosted IoT device platform, wire-compatible with Alibaba Cloud IoT Platform.",
    version=__version__,
)
app.command("thingplane.cli.serve:serve", name="serve")
app.command("thingplane.cli.call:call", name="call")
app.command("thingplane.cli.demo:demo", name="demo")
app.command("thingplane.cli.simulate:simulate", name="simulate")
app.command("thingplane.cli.importing:import_", name="import")
app.command("thingplane.cli.users:app", name="user")
app.command("thingplane.cli.keys:app", name="key")
app.command("thingplane.cli.instances:app", name="instance")
app.command("thingplane.cli.config:app", name="config")
app.command("thingplane.cli.products:app", name="product")
app.command("thingplane.cli.devices:app", name="device")
app.command("thingplane.cli.jobs:app", name="job")
app.command("thingplane.cli.scripts:app", name="script")
app.command("thingplane.cli.rules:app", name="rule")
app.command("thingplane.cli.messages:messages", name="messages")
app.command("thingplane.cli.bench:app", name="bench")
app.command("thingplane.cli.ota:app", name="ota")
app.command("thingplane.cli.docs:docs", name="docs")


class CommandError(Exception):
    """A command that can't do what it was asked for; the text is one line that says what to do next."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; errors that a user can mend are one line on stderr and exit status 1."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] in {"--help", "-h"}:
        # What commands say of themselves is in their modules.
        for name in app:
            app[name]
    try:
        status = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        print(f"thingplane: {error}", file=sys.stderr)
        sys.exit(2)
    except CommandError as error:
        print(f"thingplane: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
