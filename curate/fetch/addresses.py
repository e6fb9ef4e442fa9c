"""Which IP addresses may be connected to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address

_INTERNAL = tuple(map(ipaddress.ip_network, ("168.63.129.16/32", "192.0.0.0/24")))
"""Public by the registry, yet inside: Azure's platform services, and protocol assignments (Oracle's metadata service).

The other clouds' metadata services are at addresses that are not global anyway.
"""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")


class Gate:
    """Lets public addresses through, and those of `allow_networks` (CIDR blocks)."""

    def __init__(self, allow_networks: Iterable[str]) -> None:
        self._allowed = tuple(ipaddress.ip_network(block) for block in allow_networks)
        self.allows = lru_cache(4096)(self._allows)

    def _allows(self, address: str) -> bool:
        """True when the address, and any IPv4 address that it carries inside, may be connected to."""
        try:
            ip = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(ip, "ipv4_mapped", None)
        return self._one(mapped) if mapped else all(map(self._one, _with_embedded(ip)))

    def _one(self, ip: Address) -> bool:
        return any(ip in block for block in self._allowed if block.version == ip.version) or _is_public(ip)


def _is_public(ip: Address) -> bool:
    """Stricter than `is_global`, which lets some multicast, site-local and reserved addresses pass."""
    odd = ip.is_multicast or ip.is_reserved or ip.is_unspecified or getattr(ip, "is_site_local", False)
    return ip.is_global and not odd and not any(ip in block for block in _INTERNAL)


def _with_embedded(ip: Address) -> Iterator[Address]:
    """The address, and the IPv4 addresses that a gateway would take out of it (6to4, Teredo, NAT64, compatible)."""
    if isinstance(ip, IPv6Address):
        if ip in _NAT64 or (ip in _V4_COMPATIBLE and int(ip) > 1):
            yield IPv4Address(int(ip) & 0xFFFFFFFF)
            return  # these blocks hold nothing but the IPv4 address
        if ip.sixtofour:
            yield ip.sixtofour
        if ip.teredo:
            yield from ip.teredo
    yield ip
