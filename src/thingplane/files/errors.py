"""Documented error codes of files, and why an upload is refused."""

from enum import Enum

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
