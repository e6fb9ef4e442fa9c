"""Only public addresses are connected to, in whatever clothes they come."""

from __future__ import annotations

import pytest

from curate.fetch.addresses import Gate


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public(address: str) -> None:
    assert Gate(()).allows(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "168.63.129.16",
        "192.0.0.192",
        "198.18.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "2002:a00:1::1",
        "2001:0:a00:1::1",
        "2001:db8::1",
        "no address",
        "",
    ],
)
def test_not_public(address: str) -> None:
    assert not Gate(()).allows(address)


def test_allowed_networks_open_no_others() -> None:
    gate = Gate(("10.0.0.0/8", "fd00::/8"))
    asked = ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "11.0.0.1", "127.0.0.1", "fe80::1", "192.168.0.1"]
    assert [gate.allows(a) for a in asked] == [True, True, True, True, False, False, False]
