"""Finding and changing one module among those of a product."""

from __future__ import annotations

import msgspec

from thingplane.things.model.extend_config import without_codes, without_extend_configs
from thingplane.things.model.failures import ModelError, Reason
from thingplane.things.model.limits import DEFAULT_LIMITS, ModelLimits
from thingplane.things.model.naming import check_block
from thingplane.things.model.types import FunctionBlock, ThingModel
from thingplane.things.store import Modules


def find(modules: Modules, block_id: str | None) -> ThingModel:
    """The module with this identifier, the default module for None.

    Raises:
        ModelError: there is no such module.
    """
    for module in modules:
        if (module.block.id if module.block else None) == block_id:
            return module
    raise ModelError("", f"the product has no module {block_id}", Reason.UNKNOWN)


def find_or_make(modules: Modules, block: FunctionBlock | None, limits: ModelLimits = DEFAULT_LIMITS) -> ThingModel:
    """The module `block` names, or a new empty one.

    Raises:
        ModelError: identifier or name is malformed, or a module with this identifier has another name.
    """
    if block is None:
        return find(modules, None)
    check_block(block, limits)
    for module in modules:
        if module.block and module.block.id == block.id:
            if module.block.name != block.name:
                message = f"module {block.id} is called {module.block.name}, not {block.name}"
                raise ModelError("", message, Reason.CONFLICT)
            return module
    return ThingModel(block=block)


def rename(module: ThingModel, name: str, limits: ModelLimits = DEFAULT_LIMITS) -> ThingModel:
    """Gives a custom module another name.

    Raises:
        ModelError: the name is malformed, or it is the default module, which has none.
    """
    if module.block is None:
        raise ModelError("", "the default module cannot be renamed")
    block = msgspec.structs.replace(module.block, name=name)
    check_block(block, limits)
    return msgspec.structs.replace(module, block=block)


def put(modules: Modules, changed: ThingModel, limits: ModelLimits = DEFAULT_LIMITS) -> Modules:
    """The modules with one of them exchanged, or added at the end.

    Raises:
        ModelError: the product would have too many modules.
    """
    block_id = changed.block.id if changed.block else None
    result = tuple(changed if (m.block.id if m.block else None) == block_id else m for m in modules)
    if changed not in result:
        result = (*result, changed)
    if len(result) > limits.modules + 1:
        raise ModelError("", f"a product has at most {limits.modules} custom modules", Reason.CONFLICT)
    return result


def copied(modules: Modules, *, with_extend_configs: bool) -> Modules:
    """The modules for another product: extended configurations get codes of their own there, or stay behind."""
    return tuple(map(without_codes if with_extend_configs else without_extend_configs, modules))


def blocks(modules: Modules) -> list[FunctionBlock]:
    """The custom modules' identities."""
    return [module.block for module in modules if module.block]
