import pytest

from thingplane.outbound.addresses import is_public


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"),
        *("10.1.2.3", "172.16.0.1", "192.168.1.1", "fd00::1", "100.64.0.1", "::ffff:10.0.0.1"),
        *("169.254.169.254", "fe80::1", "fe80::1%eth0", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1"),
        *("2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
        *("2130706433", "0177.0.0.1", "127.1", "0x7f.1", "", "localhost"),
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)
