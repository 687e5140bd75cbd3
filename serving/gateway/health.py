"""The responses of /healthz and /readyz."""

import json

from vaiven.serving.gateway.servers import Servers


def liveness(servers: Servers) -> tuple[int, str]:
    """HTTP status and body: 200 as long as there is somebody to answer."""
    return 200, json.dumps({'status': 'draining' if servers.draining else 'serving'})


def readiness(servers: Servers) -> tuple[int, str]:
    """HTTP status and body: 200 if callers should come here, else 503; and which servers take traffic."""
    states = {label or 'all others': state for label, state in servers.ready.items()}
    body = {'ready': servers.takes_traffic, 'draining': servers.draining, 'servers': states}
    return 200 if servers.takes_traffic else 503, json.dumps(body, ensure_ascii=False)
