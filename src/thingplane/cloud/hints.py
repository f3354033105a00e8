"""Type hints of request and response structs, taken apart."""

from typing import Annotated, Any, Final, NamedTuple, get_args, get_origin

from thingplane.cloud.schema import Field, Struct

_DEFAULT_FIELD: Final = Field()


class ParameterType(NamedTuple):
    """What a type hint of a request struct says."""

    kind: Any
    """``str``, ``int``, ``float``, ``bool`` or a ``Struct``: the type of the parameter or of its list entries."""
    is_list: bool
    field: Field
    entry_field: Field
    """Constraints of list entries: those of ``list[Annotated[…]]``, else the same as ``field``."""


def parameter_type(hint: Any) -> ParameterType:
    """Take the type hint of a parameter apart.

    Raises:
        TypeError: no parameter can have this type.
    """
    kind, field = _unwrapped(hint)
    entry_field = field
    is_list = get_origin(kind) is list
    if is_list:
        kind, inner = _unwrapped(*get_args(kind))
        if inner is not _DEFAULT_FIELD:
            entry_field = inner
    is_struct = isinstance(kind, type) and issubclass(kind, Struct)
    if kind not in (str, int, float, bool) and not (is_struct and is_list):
        raise TypeError(f"no parameter can be of type {hint}")
    return ParameterType(kind, is_list, field, entry_field)


def _unwrapped(hint: Any) -> tuple[Any, Field]:
    """Return a hint without ``Annotated`` and ``None``, and its constraints."""
    field = _DEFAULT_FIELD
    while True:
        if get_origin(hint) is Annotated:
            hint, *extras = get_args(hint)
            if field is _DEFAULT_FIELD:
                field = next((extra for extra in extras if isinstance(extra, Field)), field)
        elif type(None) in get_args(hint):
            alternatives = [kind for kind in get_args(hint) if kind is not type(None)]
            if len(alternatives) != 1:
                raise TypeError(f"a parameter has one type, not {hint}")
            hint = alternatives[0]
        else:
            return hint, field


def is_list(hint: Any) -> bool:
    """Tell whether a field of an answer holds a list."""
    return get_origin(hint) is list or any(get_origin(argument) is list for argument in get_args(hint))


def struct_of(hint: Any) -> type[Struct] | None:
    """Return the struct of a field of an answer or of its list entries; None for scalars."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint
    return next((found for argument in get_args(hint) if (found := struct_of(argument)) is not None), None)
