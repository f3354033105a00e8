"""``thingplane ota``: how far updates are."""

import time
from collections.abc import Mapping
from typing import Annotated, Final

from cyclopts import App, Parameter
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from thingplane.cli.fleet import NotNowError, call
from thingplane.cli.output import console, is_terminal, print_json
from thingplane.cli.target import DataDir, target
from thingplane.cloud.client import CloudClient

app = App(name="ota", help="Updates over the air.")

STATES: Final = {
    "CONFIRM": "yellow",
    "QUEUED": "white",
    "NOTIFIED": "cyan",
    "IN_PROGRESS": "blue",
    "SUCCEEDED": "green",
    "FAILED": "red",
    "CANCELED": "magenta",
}
OVER: Final = ("COMPLETED", "CANCELED")
INTERVAL_S: Final = 2.0
"""Seconds between two looks: each is one call for every state, and the vendor's quota is ten a second."""


class Status:
    """A batch and how many of its tasks are in which state, by the calls that back ends have."""

    def __init__(self, client: CloudClient, job: str, instance: str | None) -> None:
        """Remember what to ask for; ``refresh`` asks."""
        self._client = client
        self._job = job
        self._instance = {} if instance is None else {"IotInstanceId": instance}
        self.counts: dict[str, int] = {}
        self.info: dict[str, object] = {}

    def refresh(self) -> None:
        """Ask the node.

        Raises:
            CommandError: it does not answer, or there is no such batch.
        """
        self.info = call(self._client, "QueryOTAJob", JobId=self._job, **self._instance)["Data"]
        for state in STATES:
            answer = call(
                self._client, "ListOTATaskByJob", JobId=self._job, TaskStatus=state, PageSize=1, **self._instance
            )
            self.counts[state] = answer["Total"]

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.info.get("JobStatus") in OVER and not any(
            self.counts[state] for state in ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS")
        )

    def report(self) -> dict[str, object]:
        """Return everything as one record."""
        shown = ("JobId", "JobStatus", "FirmwareId", "Name", "DestVersion", "SelectionType", "TargetSelection")
        return {
            **{name: self.info.get(name) for name in shown},
            "Total": sum(self.counts.values()),
            "Tasks": dict(self.counts),
        }


@app.command
def status(
    job: Annotated[str, Parameter(help="JobId of the batch")],
    *,
    watch: Annotated[bool, Parameter(help="on a terminal, go on until the batch is over")] = True,
    instance: Annotated[str | None, Parameter(help="IotInstanceId of the batch")] = None,
    endpoint: Annotated[str | None, Parameter(help="URL of the node's API [default: of the data directory's]")] = None,
    access_key_id: Annotated[str | None, Parameter(help="key to sign with")] = None,
    access_key_secret: Annotated[str | None, Parameter(help="its secret")] = None,
    data_dir: DataDir = None,
) -> None:
    """Show how many devices of a batch are in which state: live bars on a terminal, JSON in a pipe."""
    client = CloudClient(*target(data_dir, endpoint, access_key_id, access_key_secret))
    current = Status(client, job, instance)
    current.refresh()
    if not is_terminal():
        print_json(current.report())
        return
    with Live(drawing(current.info, current.counts), console=console, auto_refresh=False) as live:
        while watch and not current.is_over:
            time.sleep(INTERVAL_S)
            note = ""
            try:
                current.refresh()
            except NotNowError as error:
                # The node may be restarting.
                note = str(error)
            live.update(drawing(current.info, current.counts, note), refresh=True)


def drawing(info: Mapping[str, object], counts: Mapping[str, int], note: str = "") -> RenderableType:
    """Return a line about the batch, a bar for each state, and a note about what keeps them from changing."""
    total = sum(counts.values())
    head = Text.assemble(
        (str(info.get("Name")), "bold"), f" to {info.get('DestVersion')}  ",
        (str(info.get("JobStatus")), "bold"), f"  {total} devices",
    )  # fmt: skip
    table = Table.grid(padding=(0, 1))
    for _ in range(4):
        table.add_column()
    for state, colour in STATES.items():
        count = counts.get(state, 0)
        share = count / total if total else 0.0
        bar = ProgressBar(total=max(total, 1), completed=count, width=40, complete_style=colour, finished_style=colour)
        table.add_row(Text(state, style=colour), bar, Text(f"{count}", justify="right"), Text(f"{share:6.1%}"))
    return Group(head, table, Text(note, style="red")) if note else Group(head, table)
