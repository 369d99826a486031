"""Which addresses on the internet we may be sent to by somebody else: public ones only (OWASP SSRF prevention)."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address

REFUSED = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
        *("192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
        "100.64.0.0/10",  # carriers' own (RFC 6598); a cloud's metadata lives there too
        "168.63.129.16/32",  # Azure's wire server, although it is public
        "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
        "64:ff9b::/96",  # NAT64 (RFC 6052): an IPv4 address in disguise, like the next
        "64:ff9b:1::/48",  # NAT64, local (RFC 8215)
        "2002::/16",  # 6to4 (RFC 3056)
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""IANA's special-purpose registries and a few more. Versions of Python differ in what they take for public."""
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(address: Address) -> bool:
    """Whether a stranger's URL may lead us there."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or address not in GLOBAL_UNICAST:
            return False
        if (int(address) >> 32) & 0xFFFFFFFF in ISATAP:  # an IPv4 address in the lower half (RFC 5214)
            return False
    if address.is_multicast or address.is_reserved or address.is_private or not address.is_global:
        return False
    return not any(address.version == network.version and address in network for network in REFUSED)


def parse(host: str) -> Address | None:
    """The address that a host is written as, in its one canonical form; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
