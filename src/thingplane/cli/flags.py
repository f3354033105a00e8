"""Command-line flags made from the declaration of the settings."""

from dataclasses import make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from cyclopts import Parameter

from thingplane.settings import Settings, base_type, describe, is_table


def _flag_type(name: str) -> Any:
    # Numbers and choices arrive as text: load_settings checks them and names the flag in its message.
    return bool if base_type(name) is bool else str


def _help(name: str) -> str:
    default = getattr(Settings(), name)
    shown = f" [default: {default}]" if default not in ("", []) and not is_table(name) else ""
    choices = get_args(base_type(name)) if get_origin(base_type(name)) is Literal else ()
    one_of = f" ({', '.join(choices)})" if choices else ""
    return f"{describe(name)}{one_of}{shown}"


if TYPE_CHECKING:

    class Flags:
        """One optional field for every setting."""

else:
    Flags = make_dataclass(
        "Flags",
        [
            (name, Annotated[_flag_type(name) | None, Parameter(help=_help(name), show_default=False)], None)
            for name in Settings.__struct_fields__
        ],
        namespace={"__module__": __name__},  # cyclopts takes classes of the standard library for plain values
        frozen=True,
    )

SettingFlags = Annotated[Flags, Parameter(name="*")]
NO_FLAGS = Flags()


def given(flags: Flags) -> dict[str, object]:
    """Return the settings that were given as flags."""
    return {name: value for name, value in vars(flags).items() if value is not None}
