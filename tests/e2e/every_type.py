"""A thing model with a feature of every data type, and values at the ends of what they can hold."""

from typing import Any, Final

INT: Final = {"min": "-2147483648", "max": "2147483647", "step": "1", "unit": "m"}
FLOAT: Final = {"min": "-3.4028235E38", "max": "3.4028235E38", "step": "0.001"}
DOUBLE: Final = {"min": "-1.7976931348623157E308", "max": "1.7976931348623157E308", "step": "0.0000001"}
ON_OFF: Final = [("off", 0), ("on", 1)]
MODES: Final = [("lowest", -2147483648), ("none", 0), ("highest", 2147483647)]
LONGEST: Final = 10_240
"""Bytes of the longest text."""
LARGEST: Final = 512
"""Items of the largest array."""

SIMPLE: Final[dict[str, dict[str, Any]]] = {
    "Int": {"dataType": "INT", "dataSpecs": {"dataType": "INT", **INT}},
    "Float": {"dataType": "FLOAT", "dataSpecs": {"dataType": "FLOAT", **FLOAT}},
    "Double": {"dataType": "DOUBLE", "dataSpecs": {"dataType": "DOUBLE", **DOUBLE}},
    "Enum": {
        "dataType": "ENUM",
        "dataSpecsList": [{"dataType": "ENUM", "name": name, "value": value} for name, value in MODES],
    },
    "Bool": {
        "dataType": "BOOL",
        "dataSpecsList": [{"dataType": "BOOL", "name": name, "value": value} for name, value in ON_OFF],
    },
    "Text": {"dataType": "TEXT", "dataSpecs": {"dataType": "TEXT", "length": LONGEST}},
    "Date": {"dataType": "DATE", "dataSpecs": {"dataType": "DATE"}},
}
SHORT: Final = {"dataType": "TEXT", "dataSpecs": {"dataType": "TEXT", "length": 4}}


def _member(identifier: str, declared: dict[str, Any]) -> dict[str, Any]:
    specs = {name: value for name, value in declared.items() if name != "dataType"}
    return {
        "identifier": identifier,
        "childName": identifier,
        "childDataType": declared["dataType"],
        "dataType": "STRUCT",
        **specs,
    }


def _array(size: int, item: dict[str, Any]) -> dict[str, Any]:
    specs = {"childDataType": item["dataType"], "dataType": "ARRAY", "size": size}
    rest = {name: value for name, value in item.items() if name != "dataType"}
    return {"dataType": "ARRAY", "dataSpecs": {**specs, **rest}}


STRUCT: Final[dict[str, Any]] = {
    "dataType": "STRUCT",
    "dataSpecsList": [_member(name, declared) for name, declared in SIMPLE.items()],
}
TYPES: Final[dict[str, dict[str, Any]]] = {
    **SIMPLE,
    "Short": SHORT,
    "Struct": STRUCT,
    "Ints": _array(LARGEST, SIMPLE["Int"]),
    "Floats": _array(LARGEST, SIMPLE["Float"]),
    "Doubles": _array(LARGEST, SIMPLE["Double"]),
    "Texts": _array(LARGEST, SIMPLE["Text"]),
    "Structs": _array(LARGEST, STRUCT),
}
"""Declarations by identifier; ``Structs`` has two levels of nesting."""
WORDS: Final = {name: declared["dataType"].lower() for name, declared in TYPES.items()}
"""Data types by identifier as answers name them."""


def _parameters(direction: str) -> list[dict[str, Any]]:
    return [
        {"identifier": name, "name": name, "direction": direction, "paraOrder": order, **declared}
        for order, (name, declared) in enumerate(TYPES.items())
    ]


def model() -> list[dict[str, Any]]:
    """Return ThingModelJson in parts of at most ten features, as CreateThingModel takes them."""
    properties = [
        {"identifier": name, "name": name, "required": False, "rwFlag": "READ_WRITE", **declared}
        for name, declared in TYPES.items()
    ]
    event = {"identifier": "Told", "eventName": "Told", "eventType": "INFO_EVENT_TYPE"}
    services = [
        {
            "identifier": name,
            "serviceName": name,
            "callType": call_type,
            "inputParams": _parameters("PARAM_INPUT"),
            "outputParams": _parameters("PARAM_OUTPUT"),
        }
        for name, call_type in (("Echo", "ASYNC"), ("EchoNow", "SYNC"))
    ]
    features = {"events": [event | {"outputdata": _parameters("PARAM_OUTPUT")}], "services": services}
    return [{"properties": properties[:10]}, {"properties": properties[10:]}, features]


CHARACTERS: Final = "温\N{THERMOMETER}"  # 3 and 4 bytes of UTF-8
LONG_TEXT: Final = CHARACTERS * (LONGEST // 7) + "-" * (LONGEST % 7)
ODD_TEXT: Final = "\x00\x1f\"\\/\b\f\n\r\t' <&> \N{LINE SEPARATOR}\ufeff\uffff{}[]null"

LOWEST: Final = {
    "Int": -2147483648,
    "Float": -3.4028235e38,
    "Double": -1.7976931348623157e308,
    "Enum": -2147483648,
    "Bool": 0,
    "Text": "",
    "Date": "-9223372036854775808",
}
HIGHEST: Final = {
    "Int": 2147483647,
    "Float": 3.4028235e38,
    "Double": 1.7976931348623157e308,
    "Enum": 2147483647,
    "Bool": 1,
    "Text": CHARACTERS,
    "Date": "9223372036854775807",
}
FINEST: Final = {
    "Int": 0,
    "Float": 16777217.1,
    "Double": 0.30000000000000004,
    "Enum": 0,
    "Bool": 0,
    "Text": ODD_TEXT,
    "Date": "1600000000123",
}

ROUNDS: Final[dict[str, dict[str, Any]]] = {
    "lowest, empty": {
        **LOWEST,
        "Short": "",
        "Struct": LOWEST,
        "Ints": [],
        "Floats": [],
        "Doubles": [],
        "Texts": [],
        "Structs": [],
    },
    "highest, longest, largest": {
        **HIGHEST,
        "Text": LONG_TEXT,
        "Short": "\N{THERMOMETER}",
        "Struct": HIGHEST | {"Text": LONG_TEXT},
        "Ints": [-2147483648, 2147483647] * (LARGEST // 2),
        "Floats": [3.4028235e38, -1.17549435e-38] * (LARGEST // 2),
        "Doubles": [1.7976931348623157e308] * LARGEST,
        "Texts": ["温"] * LARGEST,
        "Structs": [HIGHEST] * 40,
    },
    "finest, oddest": {
        **FINEST,
        "Short": "a温",
        "Struct": FINEST,
        "Ints": [0],
        "Floats": [0.1, -0.0, 1e-45, 21.50, 100],
        "Doubles": [0.1, -0.0, 5e-324, 3.141592653589793, 123456789012345680.0],
        "Texts": [ODD_TEXT, "", " ", "\\u6e29", "null", '"quoted"'],
        "Structs": [FINEST, LOWEST, HIGHEST],
    },
}
"""Values of all types."""
