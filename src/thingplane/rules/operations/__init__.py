"""The operations on rules, their actions, and data sources."""

from typing import Annotated, TypeAlias

from thingplane.cloud import Field
from thingplane.rules import errors

RuleIdParameter: TypeAlias = Annotated[
    int, Field(empty=errors.NOT_FOUND_RULE, invalid=errors.NOT_FOUND_RULE, doc="As CreateRule returned it.")
]
ActionIdParameter: TypeAlias = Annotated[
    int,
    Field(
        empty=errors.INCORRENT_RULE_ACTION_ID,
        invalid=errors.INCORRENT_RULE_ACTION_ID,
        minimum=1,
        doc="As CreateRuleAction returned it.",
    ),
]
ActionTypeParameter: TypeAlias = Annotated[
    str,
    Field(
        empty=errors.NULL_RULE_ACTION_TYPE,
        doc="REPUBLISH, AMQP, MNS, FC, OTS, DATAHUB, ONS, TSDB (or HITSDB) or RDS.",
    ),
]
ConfigurationParameter: TypeAlias = Annotated[
    str,
    Field(
        empty=errors.NULL_RULE_ACTION_CONFIG,
        max_length=65_536,
        invalid=errors.PARSE_RULE_ACTION_CONFIG_ERROR,
        secret=True,
        doc="JSON object; its fields depend on the type.",
    ),
]
