"""The operations of this folder's slice are declared as documented."""

import pytest

from thingplane.cloud import OPERATIONS
from thingplane.cloud.conformance import violations

NAMES = ["GetThingTopo", "GetGatewayBySubDevice", "BatchAddThingTopo", "RemoveThingTopo", "NotifyAddThingTopo"]


@pytest.mark.parametrize("name", NAMES)
def test_declared_as_documented(name: str) -> None:
    assert violations(OPERATIONS[name]) == []
