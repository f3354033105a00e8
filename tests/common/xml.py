"""Answers in XML."""

from typing import Any
from xml.etree import ElementTree as ET

from tests.common.api import Api
from thingplane.cloud.client import Signer


async def call_xml(api: Api, action: str, /, **parameters: Any) -> ET.Element:
    """Call an operation and return the root of its XML answer."""
    # Query signing would send a Format of its own.
    signer = Signer("testid", "testsecret", scheme="acs3", host="api.test", clock=api.wire_clock)
    _, _, body = await api.send(signer.sign(action, {**parameters, "Format": "XML"}))
    return ET.fromstring(body)
