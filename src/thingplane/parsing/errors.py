"""Documented error codes of data-parsing scripts, and the error of a message that a script could not parse."""

from thingplane.cloud import ErrorCode

INVALID_SCRIPT_TYPE = ErrorCode("iot.prod.InvalidScriptType", "The script type is JavaScript, Python_27 or PHP_72.")
THING_SCRIPT_EXISTED = ErrorCode("iot.prod.ThingScriptExisted", "The product has a script already: update it.")
THING_SCRIPT_DATA_FORMAT_ERROR = ErrorCode(
    "iot.prod.ThingScriptDataFormatError", "Devices of the product send Alink JSON, which needs no script."
)
PRODUCT_DATA_FORMAT_IS_NULL = ErrorCode(
    "iot.prod.ProductDataFormatIsNull", "The product was created without a data format, and cannot have a script."
)
FILE_NOT_EXIST = ErrorCode("iot.common.FileNotExist", "The product has no script.")


class ParsingError(Exception):
    """A message that could not be parsed or made."""

    def __init__(self, code: int, reason: str, *, stopped: bool = False) -> None:
        """Say why.

        Args:
            code: of the device protocol (reference, 3.2), such as 26002.
            reason: in words.
            stopped: whether the script had to be stopped, see ``Outcome``.
        """
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason
        self.stopped = stopped
