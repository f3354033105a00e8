"""Documented error codes of files, and why an upload is refused."""

from enum import Enum, IntEnum

from thingplane.cloud import ErrorCode

FILE_NOT_EXIST = ErrorCode("iot.common.FileNotExist", "The device has no file with this FileId.")


class Refusal(Enum):
    """Why a device's file is not taken."""

    BAD_NAME = "a name has 1 to 100 letters, digits, underscores and periods, and begins with a letter or digit"
    TOO_LARGE = "the file is too large"
    EXISTS = "the device has a file of this name"
    TOO_MANY = "the device has as many files as it may"
    EXPIRED = "the upload took too long"
    NO_ROOM = "the files of the instance take as much room as they may"


class UploadRefusedError(Exception):
    """A file is not taken; nothing is left of it."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class BlockCode(IntEnum):
    """Codes of files that come in blocks over MQTT (device-protocol reference, 8.6)."""

    NOT_READABLE = 400
    TOO_MANY_UPLOADS = 429
    BAD_PARAMETER = 460
    STORAGE_QUOTA = 6760
    DEVICE_GONE = 6100
    FILE_TOO_LARGE = 78117
    BLOCK_TOO_LARGE = 78118
    WRONG_OFFSET = 78119
    BLOCK_TOO_SMALL = 78120
    WRONG_BLOCK_CHECKSUM = 78121
    NO_UPLOAD = 78122
    FILE_EXISTS = 78123
    FINISHED = 78124
    WRONG_FILE_CHECKSUM = 78125
    DUPLICATE = 78126
    THROTTLED = 78127


class BlockRefusedError(Exception):
    """A request about a file that comes in blocks is refused; nothing has changed unless its code says so."""

    def __init__(self, code: BlockCode, message: str) -> None:
        """Say why.

        Args:
            code: for the device.
            message: for whoever reads its log.
        """
        super().__init__(message)
        self.code = code
        self.message = message
