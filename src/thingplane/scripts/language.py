"""Languages of scripts and the functions that scripts define (device-protocol reference, 11.1)."""

from enum import Enum


class Language(Enum):
    """What a script is written in; values as the cloud API writes them."""

    JAVASCRIPT = "JavaScript"
    PYTHON = "Python_27"
    PHP = "PHP_72"


class Function(Enum):
    """What a script can be asked to do; values are the names in JavaScript and PHP."""

    DECODE = "rawDataToProtocol"
    """Bytes of a device → Alink message."""
    ENCODE = "protocolToRawData"
    """Alink message → bytes for a device."""
    TRANSFORM = "transformPayload"
    """Topic and bytes of a custom topic → object."""

    def in_language(self, language: Language) -> str:
        """Return the name that scripts of the language give to it."""
        return _IN_PYTHON[self] if language is Language.PYTHON else self.value


_IN_PYTHON = {
    Function.DECODE: "raw_data_to_protocol",
    Function.ENCODE: "protocol_to_raw_data",
    Function.TRANSFORM: "transform_payload",
}
