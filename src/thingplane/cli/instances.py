"""``thingplane instance``: worlds of their own for products and devices."""

from typing import Annotated

from cyclopts import App, Parameter

from thingplane.cli.database import with_instances
from thingplane.cli.output import print_rows
from thingplane.cli.target import DataDir
from thingplane.cloud.times import utc

app = App(
    name="instance",
    help="Manage instances. Calls choose one with IotInstanceId; without it they mean the default instance.",
)

COLUMNS = ["IotInstanceId", "Description", "UtcCreate"]


@app.command(name="add")
def add(
    instance_id: Annotated[str | None, Parameter(help="iot-… [default: a new one]")] = None,
    *,
    description: Annotated[str, Parameter(help="what it is for")] = "",
    data_dir: DataDir = None,
) -> None:
    """Create an instance and print its id."""
    instance = with_instances(data_dir, lambda instances: instances.create(instance_id, description))
    print_rows([{"IotInstanceId": instance.instance_id, "Description": description}], COLUMNS[:2])


@app.command(name="list")
def show(*, data_dir: DataDir = None) -> None:
    """List instances."""
    found = with_instances(data_dir, lambda instances: instances.list())
    rows = [
        {
            "IotInstanceId": info.instance.instance_id,
            "Description": info.description,
            "UtcCreate": utc(info.created_at),
        }
        for info in found
    ]
    print_rows(rows, COLUMNS)


@app.command(name="delete")
def delete(instance_id: Annotated[str, Parameter(help="IotInstanceId")], *, data_dir: DataDir = None) -> None:
    """Delete an instance that holds no products."""
    with_instances(data_dir, lambda instances: instances.delete(instance_id))
