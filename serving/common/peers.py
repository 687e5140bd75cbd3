"""Who is at the other end of a gRPC connection."""

import ipaddress
from typing import Any
from urllib.parse import unquote

# Metadata of a call that a proxy has passed on, ours or another.
FORWARDED = 'x-forwarded-for'


def peer_of(context: Any) -> str:
    """The peer of a call; 'forwarded' for one that a proxy passed on, whose first caller may be anywhere."""
    if any(key == FORWARDED for key, _ in context.invocation_metadata() or ()):
        return 'forwarded'
    return str(context.peer())


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
