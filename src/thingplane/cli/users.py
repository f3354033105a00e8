"""``thingplane user``: sub-users (RAM users) and what they may do."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from thingplane.cli import CommandError
from thingplane.cli.database import with_access
from thingplane.cli.output import print_rows
from thingplane.cli.target import DataDir

app = App(name="user", help="Manage sub-users (RAM users) and their access policies.")

Name = Annotated[str, Parameter(help="name of the user")]


@app.command(name="add")
def add(name: Name, *, data_dir: DataDir = None) -> None:
    """Create a user. It may do nothing until a policy is attached, and needs a key (`thingplane key add`)."""
    with_access(data_dir, lambda access: access.create_user(name))


@app.command(name="list")
def show(*, data_dir: DataDir = None) -> None:
    """List users with the names of their policies."""
    users = with_access(data_dir, lambda access: access.list_users())
    print_rows([{"User": user.name, "Policies": list(user.policies)} for user in users], ["User", "Policies"])


@app.command(name="delete")
def delete(name: Name, *, data_dir: DataDir = None) -> None:
    """Delete a user with its keys."""
    with_access(data_dir, lambda access: access.delete_user(name))


@app.command(name="attach")
def attach(
    name: Name,
    policy: Annotated[str, Parameter(help="AliyunIOTFullAccess, AliyunIOTReadOnlyAccess, or a name of your own")],
    document: Annotated[Path | None, Parameter(help="JSON file of a policy of your own")] = None,
    *,
    data_dir: DataDir = None,
) -> None:
    """Attach a policy to a user: a managed one by its name, or one of your own with its document."""
    try:
        content = document.read_text(encoding="utf-8") if document else None
    except OSError as error:
        raise CommandError(f"{document}: {error.strerror}") from None
    with_access(data_dir, lambda access: access.attach_policy(name, policy, content))


@app.command(name="detach")
def detach(name: Name, policy: Annotated[str, Parameter(help="its name")], *, data_dir: DataDir = None) -> None:
    """Take a policy from a user."""
    with_access(data_dir, lambda access: access.detach_policy(name, policy))
