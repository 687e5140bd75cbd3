"""The responses of /healthz and /readyz."""

import json

from vaiven.serving.gateway.servers import Servers


def liveness(servers: Servers) -> tuple[int, str]:
    """HTTP status and body: 200 while the process runs."""
    return 200, json.dumps({'status': 'draining' if servers.draining else 'serving'})


def readiness(servers: Servers) -> tuple[int, str]:
    """HTTP status and body: 200 if the gateway accepts traffic, otherwise 503; with the state of each server."""
    states = {label or 'all others': state for label, state in servers.ready.items()}
    body = {'ready': servers.takes_traffic, 'draining': servers.draining, 'servers': states}
    return 200 if servers.takes_traffic else 503, json.dumps(body, ensure_ascii=False)
