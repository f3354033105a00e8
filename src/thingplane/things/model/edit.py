"""Edits of a module: adding, replacing and removing features. Every edit returns a new, checked module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias, TypeVar

import msgspec

from thingplane.things.model.failures import ModelError, Reason
from thingplane.things.model.limits import DEFAULT_LIMITS, ModelLimits
from thingplane.things.model.rules import check_model
from thingplane.things.model.tsl import check_size
from thingplane.things.model.types import Event, Property, Service, ThingModel

F = TypeVar("F", Property, Event, Service)

ConfigCodes: TypeAlias = Callable[[], str]
"""Makes the identifier the platform gives to the extended configuration of a feature."""


def stamp(model: ThingModel, now: int, config_codes: ConfigCodes) -> ThingModel:
    """Gives features what the platform adds to them: a creation time and a code for the extended configuration.

    Args:
        model: features, new or stamped before.
        now: creation time in UTC ms of features that have none.
        config_codes: called for each feature whose extended configuration has no code.
    """

    def stamped(features: Iterable[F]) -> tuple[F, ...]:
        return tuple(
            msgspec.structs.replace(
                feature,
                created=now if feature.created is None else feature.created,
                config_code=(feature.config_code or config_codes()) if feature.extend_config else None,
            )
            for feature in features
        )

    return msgspec.structs.replace(
        model, properties=stamped(model.properties), events=stamped(model.events), services=stamped(model.services)
    )


def arrange(model: ThingModel, limits: ModelLimits = DEFAULT_LIMITS) -> ThingModel:
    """Puts the features in the order of their creation and checks the module as a whole.

    Raises:
        ModelError: the module breaks a rule or is too large.
    """
    arranged = msgspec.structs.replace(
        model,
        properties=_in_order(model.properties),
        events=_in_order(model.events),
        services=_in_order(model.services),
    )
    check_model(arranged, limits)
    check_size(arranged, limits)
    return arranged


def add_features(model: ThingModel, new: ThingModel, limits: ModelLimits = DEFAULT_LIMITS) -> ThingModel:
    """Adds the features of `new` to a module.

    Raises:
        ModelError: an identifier or name is taken, or the module breaks a rule or grows too large.
    """
    return arrange(
        msgspec.structs.replace(
            model,
            properties=(*model.properties, *new.properties),
            events=(*model.events, *new.events),
            services=(*model.services, *new.services),
        ),
        limits,
    )


def replace_feature(
    model: ThingModel, identifier: str | None, new: ThingModel, limits: ModelLimits = DEFAULT_LIMITS
) -> ThingModel:
    """Replaces one feature by the only feature of `new`, which must be of the same kind.

    The feature keeps its creation time unless the new one names its own.

    Args:
        model: the module.
        identifier: feature to replace; None for the one that has the identifier of the new feature.
        new: a module with exactly one feature.
        limits: sizes that apply.

    Raises:
        ModelError: `new` has another number of features, there is no such feature, or a rule is broken.
    """
    if new.feature_count != 1:
        raise ModelError("", f"exactly one feature can be updated at a time, not {new.feature_count}")
    return arrange(
        msgspec.structs.replace(
            model,
            properties=_replaced("property", model.properties, identifier, new.properties),
            events=_replaced("event", model.events, identifier, new.events),
            services=_replaced("service", model.services, identifier, new.services),
        ),
        limits,
    )


def remove_features(
    model: ThingModel,
    properties: Collection[str] = (),
    events: Collection[str] = (),
    services: Collection[str] = (),
) -> ThingModel:
    """Removes features by identifier.

    Raises:
        ModelError: a feature does not exist; nothing is removed then.
    """
    return msgspec.structs.replace(
        model,
        properties=_without("property", model.properties, properties),
        events=_without("event", model.events, events),
        services=_without("service", model.services, services),
    )


def _in_order(features: tuple[F, ...]) -> tuple[F, ...]:
    return tuple(sorted(features, key=lambda feature: feature.created or 0))


def _replaced(kind: str, old: tuple[F, ...], identifier: str | None, new: tuple[F, ...]) -> tuple[F, ...]:
    if not new:
        return old
    [feature] = new
    wanted = identifier or feature.identifier
    if all(candidate.identifier != wanted for candidate in old):
        raise ModelError("", f"the module has no {kind} {wanted}", Reason.UNKNOWN)
    return tuple(
        msgspec.structs.replace(feature, created=candidate.created if feature.created is None else feature.created)
        if candidate.identifier == wanted
        else candidate
        for candidate in old
    )


def _without(kind: str, features: tuple[F, ...], identifiers: Collection[str]) -> tuple[F, ...]:
    unknown = set(identifiers) - {feature.identifier for feature in features}
    if unknown:
        raise ModelError("", f"the module has no {kind} {', '.join(sorted(unknown))}", Reason.UNKNOWN)
    return tuple(feature for feature in features if feature.identifier not in identifiers)
