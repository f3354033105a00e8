"""Reading fields of a configuration, each with the documented code for what is wrong with it."""

from typing import Any

import msgspec

from thingplane.cloud import ErrorCode
from thingplane.rules import errors

MAX_TEXT = 1024
"""Characters of a text; no documented field needs more."""


class Fields:
    """The fields of a JSON object."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def text(self, name: str, missing: ErrorCode, *, longest: int = MAX_TEXT) -> str:
        """Return a text that is not empty.

        Raises:
            BusinessError: ``missing``, or iot.rule.ParseRuleActionConfigError for something else than text.
        """
        found = self.optional_text(name, longest=longest)
        if not found:
            raise missing(f"{missing.message} ({name})")
        return found

    def optional_text(self, name: str, *, longest: int = MAX_TEXT) -> str:
        """Return a text, empty if it is not there; numbers are taken as their text.

        Raises:
            BusinessError: iot.rule.ParseRuleActionConfigError.
        """
        found = self._values.get(name)
        if found is None:
            return ""
        if type(found) is int or type(found) is float:
            return str(found)
        if type(found) is not str or len(found) > longest or "\0" in found:
            raise errors.PARSE_RULE_ACTION_CONFIG_ERROR(f"{name} must be text of at most {longest} characters.")
        return found

    def objects(self, name: str, missing: ErrorCode, *, most: int) -> "list[Fields]":
        """Return the objects of an array that is not empty.

        Raises:
            BusinessError: ``missing``, or iot.rule.ParseRuleActionConfigError for something else.
        """
        found = self._values.get(name)
        if found is None or found == []:
            raise missing(f"{missing.message} ({name})")
        if type(found) is not list or len(found) > most or not all(type(item) is dict for item in found):
            raise errors.PARSE_RULE_ACTION_CONFIG_ERROR(f"{name} must be an array of at most {most} objects.")
        return [Fields(item) for item in found]

    def has(self, name: str) -> bool:
        """Tell whether a field is there."""
        return self._values.get(name) is not None

    def region(self) -> str:
        """Return regionName.

        Raises:
            BusinessError: iot.ruleng.IncorrectRegionName.
        """
        return self.text("regionName", errors.INCORRECT_REGION_NAME, longest=64)

    def check_role(self) -> None:
        """Check that there is a role, as the documentation demands; what it is called means nothing here.

        Raises:
            BusinessError: iot.ruleng.NullRamRoleArn, iot.ruleng.NullRamRoleName, iot.ruleng.InvalidRamRole.
        """
        role = self._values.get("role")
        if role is None:
            raise errors.NULL_RAM_ROLE_ARN()
        if type(role) is not dict:
            raise errors.INVALID_RAM_ROLE()
        for name, missing in (("roleArn", errors.NULL_RAM_ROLE_ARN), ("roleName", errors.NULL_RAM_ROLE_NAME)):
            found = role.get(name)
            if found is None or found == "":
                raise missing()
            if type(found) is not str:
                raise errors.INVALID_RAM_ROLE()


def read_object(configuration: str) -> dict[str, Any]:
    """Return the JSON object of a configuration.

    Raises:
        BusinessError: iot.ruleng.NullRuleActionConfig, iot.ruleng.RuleActionConfigurationIsNotJson,
            iot.rule.ParseRuleActionConfigError.
    """
    if not configuration.strip():
        raise errors.NULL_RULE_ACTION_CONFIG()
    try:
        found = msgspec.json.decode(configuration)
    except (msgspec.DecodeError, RecursionError):
        raise errors.RULE_ACTION_CONFIGURATION_IS_NOT_JSON() from None
    if type(found) is not dict:
        raise errors.PARSE_RULE_ACTION_CONFIG_ERROR("The configuration must be a JSON object.")
    return found
