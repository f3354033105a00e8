"""Which IP addresses belong to the public Internet."""

import ipaddress
from typing import Final

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that a translator turns into the IPv4 address in their last 32 bits (RFC 6052)."""


def is_public(text: str) -> bool:
    """Tell whether an address is globally reachable unicast, not loopback, link-local, private, shared or reserved.

    IPv6 addresses that stand for an IPv4 address count as that. What is no address in its usual form is not public:
    resolvers read ``2130706433`` and ``0177.0.0.1`` as addresses as well.
    """
    try:
        address: _Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast and not one.is_unspecified for one in _meanings(address))


def _meanings(address: _Address) -> list[_Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    embedded: list[ipaddress.IPv4Address | None] = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        embedded.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    return [address, *(one for one in embedded if one is not None)]
