"""``thingplane key``: access keys of the account and of its users."""

from typing import Annotated

from cyclopts import App, Parameter

from thingplane.cli.database import with_access
from thingplane.cli.output import print_rows
from thingplane.cli.target import DataDir

app = App(name="key", help="Manage access keys of the account and of sub-users.")

KeyId = Annotated[str, Parameter(help="AccessKeyId")]
User = Annotated[str | None, Parameter(help="name of a sub-user [default: the account itself]")]


@app.command(name="add")
def add(*, user: User = None, data_dir: DataDir = None) -> None:
    """Make an AccessKey pair and print it. The secret is not shown again."""
    key = with_access(data_dir, lambda access: access.create_key(user))
    row = {"AccessKeyId": key.access_key_id, "AccessKeySecret": key.secret}
    print_rows([row], list(row))


@app.command(name="list")
def show(*, user: User = None, data_dir: DataDir = None) -> None:
    """List keys, without secrets."""
    keys = with_access(data_dir, lambda access: access.list_keys(user))
    rows = [{"AccessKeyId": key.access_key_id, "User": key.user, "Enabled": key.enabled} for key in keys]
    print_rows(rows, ["AccessKeyId", "User", "Enabled"])


@app.command(name="disable")
def disable(access_key_id: KeyId, *, data_dir: DataDir = None) -> None:
    """Refuse calls signed with this key from now on."""
    with_access(data_dir, lambda access: access.set_key_enabled(access_key_id, enabled=False))


@app.command(name="enable")
def enable(access_key_id: KeyId, *, data_dir: DataDir = None) -> None:
    """Accept calls signed with this key again."""
    with_access(data_dir, lambda access: access.set_key_enabled(access_key_id, enabled=True))


@app.command(name="delete")
def delete(access_key_id: KeyId, *, data_dir: DataDir = None) -> None:
    """Delete a key for good."""
    with_access(data_dir, lambda access: access.delete_key(access_key_id))
