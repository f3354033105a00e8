"""How a call fails: in the business of an operation, or at the gateway in front of all of them."""

from typing import Final

import msgspec


class BusinessError(Exception):
    """A documented failure of an operation: HTTP 200 with ``Success=false``, ``Code`` and ``ErrorMessage``.

    A few operations document fields of failing answers (the tags that were refused); ``answer`` is the Response with
    them.
    """

    def __init__(self, code: str, message: str, answer: msgspec.Struct | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.answer = answer


class ErrorCode:
    """One documented error code with the message that is sent unless a raiser knows better.

    Calling it makes the exception: ``raise NOT_EXISTED_PRODUCT()`` or ``raise NOT_EXISTED_PRODUCT("… a1b2c3 …")``.
    """

    catalogue: Final[dict[str, "ErrorCode"]] = {}

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        self.catalogue.setdefault(code, self)

    def __call__(self, message: str | None = None, answer: msgspec.Struct | None = None) -> BusinessError:
        return BusinessError(self.code, message or self.message, answer)

    def __repr__(self) -> str:
        return f"ErrorCode({self.code!r})"


class GatewayError(Exception):
    """A call that never reached its operation: HTTP 4xx with ``Code``, ``Message``, ``RequestId``, ``HostId``."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


SYSTEM_EXCEPTION = ErrorCode("iot.system.SystemException", "The platform failed unexpectedly. Try again later.")
INSTANCE_NOT_FOUND = ErrorCode("iot.system.InstanceNotFound", "No instance has this IotInstanceId.")
INVALID_PAGE_PARAMS = ErrorCode("iot.common.InvalidPageParams", "The page number or page size is out of range.")
INVALID_FORMATTED_PARAMETER = ErrorCode("iot.common.InvalidFormattedParameter", "A parameter is malformed.")
RAM_ACTION_PERMISSION_DENY = ErrorCode(
    "iot.common.RamActionPermissionDeny", "The access policy of the caller does not allow this operation."
)
API_NOT_SUPPORTED_IN_INSTANCE = ErrorCode(
    "iot.common.APINotSupportedInInstance", "This operation is not offered on this kind of instance."
)
