"""Who is at the other end of a gRPC connection."""

import ipaddress
from urllib.parse import unquote


def is_local(peer: str) -> bool:
    """Whether `peer`, as gRPC names it (`ipv4:127.0.0.1:53210`, `ipv6:[::1]:53210`, `unix:`), is on this machine."""
    kind, _, address = unquote(peer).partition(':')
    if kind == 'unix':
        return True
    try:
        found = ipaddress.ip_address(address.rpartition(':')[0].strip('[]'))
    except ValueError:
        return False
    mapped = getattr(found, 'ipv4_mapped', None)
    return (mapped or found).is_loopback
