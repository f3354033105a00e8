"""Decoding of call parameters into request structs: ``Tag.1.Key`` becomes the ``Key`` of the first ``Tag``.

A decoder is compiled once per struct from its type hints and the ``Field`` of each parameter. Unknown parameters are
ignored. Entries of lists are numbered from 1 to 10000; gaps keep the order and are closed.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar, get_type_hints

import msgspec

from thingplane.cloud.constraints import converter
from thingplane.cloud.errors import ErrorCode, GatewayError
from thingplane.cloud.hints import parameter_type
from thingplane.cloud.schema import Field, Struct

S = TypeVar("S", bound=Struct)
Convert = Callable[[str, str], Any]

MAX_INDEX: Final = 10_000
"""Largest number of a list entry; the most that any documented operation takes."""
_INDEX = re.compile("[1-9][0-9]{0,4}")


class _Scalar(NamedTuple):
    name: str
    misprint: str | None
    required: bool
    convert: Convert


class _List(NamedTuple):
    name: str
    required: bool
    field: Field
    convert: Convert | None
    """For entries that are scalars; None: entries are structs."""
    decode: "StructDecoder | None"


class StructDecoder:
    """Decodes the parameters of one struct type."""

    def __init__(self, struct: type[Struct]) -> None:
        """Compile the decoder of a struct type.

        Raises:
            TypeError: a field has a type that no parameter can have.
        """
        self._struct = struct
        self._scalars: list[_Scalar] = []
        self._lists: dict[str, _List] = {}
        hints = get_type_hints(struct, include_extras=True)
        for item in msgspec.structs.fields(struct):
            kind, is_list, field, entry_field = parameter_type(hints[item.name])
            name = item.encode_name
            if not is_list:
                convert = converter(kind, field, required=item.required)
                self._scalars.append(_Scalar(name, field.misprint, item.required, convert))
            elif issubclass(kind, Struct):
                self._lists[name] = _List(name, item.required, field, None, StructDecoder(kind))
            else:
                self._lists[name] = _List(name, item.required, field, converter(kind, entry_field, required=True), None)
        self._names = {item.encode_name: item.name for item in msgspec.structs.fields(struct)}

    def decode(self, parameters: Mapping[str, str], prefix: str = "") -> Any:
        """Return the struct.

        Args:
            parameters: text by name.
            prefix: put before names in error messages; for structs inside lists.

        Raises:
            GatewayError: a mandatory parameter is absent.
            BusinessError: a parameter violates its documented constraint.
        """
        values: dict[str, Any] = {}
        get = parameters.get
        for name, misprint, required, convert in self._scalars:
            text = get(name)
            if text is None and misprint is not None:
                text = get(misprint)
            if text is not None:
                values[name] = convert(text, prefix + name if prefix else name)
            elif required:
                raise missing(prefix + name)
        if self._lists:
            self._decode_lists(parameters, prefix, values)
        return self._struct(**values)

    def _decode_lists(self, parameters: Mapping[str, str], prefix: str, values: dict[str, Any]) -> None:
        entries = self._collect(parameters, prefix)
        for name, required, field, convert, decoder in self._lists.values():
            found = entries.get(name)
            if found is None:
                if required:
                    raise missing(prefix + name)
                continue
            if field.max_items is not None and len(found) > field.max_items:
                raise refusal(field.too_many or field.invalid, prefix + name, f"at most {field.max_items} entries")
            if field.min_items is not None and len(found) < field.min_items:
                raise refusal(field.invalid, prefix + name, f"at least {field.min_items} entries")
            items: list[Any] = []
            for index in sorted(found):
                entry, path = found[index], f"{prefix}{name}.{index}"
                if convert is not None and isinstance(entry, str):
                    items.append(convert(entry, path))
                elif decoder is not None and not isinstance(entry, str):
                    items.append(decoder.decode(entry, path + "."))
                else:
                    raise refusal(field.invalid, path, "wrong structure")
            if field.unique and len({repr(item) for item in items}) < len(items):
                raise refusal(field.invalid, prefix + name, "entries must differ")
            values[name] = items

    def _collect(self, parameters: Mapping[str, str], prefix: str) -> dict[str, dict[int, Any]]:
        """Group the parameters of lists: name, then index, then text or the parameters of the struct."""
        lists = self._lists
        entries: dict[str, dict[int, Any]] = {}
        for key, text in parameters.items():
            name, dot, rest = key.partition(".")
            if not dot or name not in lists:
                continue
            index, dot, inner = rest.partition(".")
            is_number = _INDEX.fullmatch(index) is not None
            if not is_number or (number := int(index)) > MAX_INDEX:
                field = lists[name].field
                code = (is_number and field.too_many) or field.invalid
                raise refusal(code, prefix + key, f"entries are numbered from 1 to {MAX_INDEX}")
            group = entries.setdefault(name, {})
            if not dot:
                known = group.setdefault(number, text)
            else:
                known = group.setdefault(number, {})
                if isinstance(known, dict):
                    known[inner] = text
            if isinstance(known, str) == bool(dot):
                raise refusal(lists[name].field.invalid, prefix + key, "wrong structure")
        return entries


def missing(name: str) -> GatewayError:
    """Return the failure for a mandatory parameter that is absent."""
    return GatewayError(400, f"Missing{name}", f"{name} is mandatory for this action.")


def refusal(code: ErrorCode, name: str, reason: str) -> Exception:
    """Return the failure for a parameter that violates a constraint, with its name and the constraint."""
    return code(f"{code.message} ({name}: {reason})")


_decoders: dict[type[Struct], StructDecoder] = {}


def decode(struct: type[S], parameters: Mapping[str, str]) -> S:
    """Decode parameters into a request struct; see ``StructDecoder.decode`` for what it raises."""
    decoder = _decoders.get(struct)
    if decoder is None:
        decoder = _decoders[struct] = StructDecoder(struct)
    request: S = decoder.decode(parameters)
    return request
