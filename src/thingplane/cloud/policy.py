"""Access policies of sub-users: which operations on which resources (RAM policy language, version 1).

A policy document is ``{"Version": "1", "Statement": [{"Effect": "Allow" | "Deny", "Action": …, "Resource": …}]}``
where Action and Resource are one text or a list, with ``*`` for any text and ``?`` for any character. What no statement
allows is denied; a matching Deny wins over every Allow. Conditions do not exist here, and a document that has one is
refused rather than read as if it had none.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

MANAGED_POLICIES: Final = {
    "AliyunIOTFullAccess": '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}',
    "AliyunIOTReadOnlyAccess": (
        '{"Version": "1", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": '
        '["iot:Query*", "iot:List*", "iot:Get*", "iot:BatchGet*", "iot:BatchQuery*"]}]}'
    ),
}
"""Documents of the policies that exist without being written, by name."""

_Patterns = str | Annotated[list[str], msgspec.Meta(min_length=1)]


class InvalidPolicyError(ValueError):
    """A policy document cannot be read, or says what this platform cannot enforce."""


class _Statement(msgspec.Struct, forbid_unknown_fields=True):
    Effect: Literal["Allow", "Deny"]
    Action: _Patterns
    Resource: _Patterns


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    Version: Literal["1"]
    Statement: Annotated[list[_Statement], msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class _Rule:
    denies: bool
    action: re.Pattern[str]
    resource: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Policy:
    """The statements of all policies attached to a user."""

    rules: tuple[_Rule, ...] = ()

    @classmethod
    def parse(cls, *documents: str) -> "Policy":
        """Read policy documents.

        Raises:
            InvalidPolicyError: a document is not JSON of the described shape, or has a Condition.
        """
        rules: list[_Rule] = []
        for document in documents:
            try:
                statements = msgspec.json.decode(document, type=_Document).Statement
            except (msgspec.DecodeError, RecursionError) as error:
                raise InvalidPolicyError(f"not a supported policy document: {error}") from error
            rules += [
                _Rule(
                    statement.Effect == "Deny",
                    # RAM compares actions without regard to case, resources with it.
                    _wildcards(statement.Action, re.IGNORECASE),
                    _wildcards(statement.Resource),
                )
                for statement in statements
            ]
        return cls(tuple(rules))

    def allows(self, action: str, resource: str) -> bool:
        """Tell whether an action (``iot:QueryProduct``) on a resource (``acs:iot:…``) is allowed."""
        allowed = False
        for rule in self.rules:
            if rule.action.fullmatch(action) and rule.resource.fullmatch(resource):
                if rule.denies:
                    return False
                allowed = True
        return allowed


def _wildcards(patterns: str | list[str], flags: int = 0) -> re.Pattern[str]:
    texts = [patterns] if isinstance(patterns, str) else patterns
    return re.compile("|".join(map(_expression, texts)), re.DOTALL | flags)


def _expression(pattern: str) -> str:
    first, *rest = [re.escape(text).replace(r"\?", ".") for text in pattern.split("*")]
    if not rest:
        return first
    *middle, last = rest
    # What follows a star is taken at its first occurrence, for good: no pattern makes matching slow.
    return first + "".join([f"(?>.*?{text})" for text in middle if text]) + ".*" + last
