"""The exceptions of the client, with the server's code and details, and a line that says what to do.

    UserError                      any error that the user can correct
    └── ServingError               an argument is not valid; nothing was sent
        └── RequestError           a request failed; `code` is the gRPC status
            ├── UnavailableError       UNAVAILABLE: no server, or it takes no requests; safe to retry
            ├── DeadlineError          DEADLINE_EXCEEDED: no answer in time
            ├── NotFoundError          NOT_FOUND: no such model, or no such version
            └── InvalidRequestError    INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE: refused

Any other code, such as PERMISSION_DENIED or INTERNAL, raises `RequestError` itself.
"""

import re

from vaiven.serving.client.results import Target
from vaiven.serving.common.errors import ServingError


class RequestError(ServingError):
    """A request failed.

    Attributes:
        code: name of the gRPC status, such as 'NOT_FOUND'; over REST the code that corresponds to the HTTP status.
        details: the message of the server, unchanged.
    """

    exit_status = 1

    def __init__(self, message: str, code: str, details: str) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class UnavailableError(RequestError):
    """No server answers at the address, or it takes no requests now. The request can be retried."""


class DeadlineError(RequestError):
    """The server did not answer in time."""


class NotFoundError(RequestError):
    """The server has no such model, or no such version of it."""

    exit_status = 2


class InvalidRequestError(RequestError):
    """The server refused the request: an unknown label, signature or input, or a bad value."""

    exit_status = 2


# In the order of their numbers in google.rpc.Code.
CODES = (
    'OK',
    'CANCELLED',
    'UNKNOWN',
    'INVALID_ARGUMENT',
    'DEADLINE_EXCEEDED',
    'NOT_FOUND',
    'ALREADY_EXISTS',
    'PERMISSION_DENIED',
    'RESOURCE_EXHAUSTED',
    'FAILED_PRECONDITION',
    'ABORTED',
    'OUT_OF_RANGE',
    'UNIMPLEMENTED',
    'INTERNAL',
    'UNAVAILABLE',
    'DATA_LOSS',
    'UNAUTHENTICATED',
)
# The start of TensorFlow Serving's message about an output that a signature lacks.
UNKNOWN_OUTPUT = 'output tensor alias not found in signature: '
INVALID = ('INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'OUT_OF_RANGE')
NOT_ENCRYPTED = re.compile(r'certificate|handshake|\b(ssl|tls)\b', re.I)
NOT_CONNECTED = re.compile(
    r'connect|refused|unreachable|DNS|name resolution|Name or service|Socket closed|GOAWAY|reset', re.I
)

ASSERTION = re.compile(r'^.*assertion failed: \[(.*? Received:)\] \[(.*?)\](?: \[\[\{\{.*)?$')


def request_error(code: str, details: str, address: str, timeout: float, target: Target) -> RequestError:
    """Returns the exception for a gRPC status.

    Args:
        code: name of the gRPC status.
        details: message of the status.
        address: address of the server.
        timeout: seconds that the call was allowed to take.
        target: model and signature of the request.
    """
    text = _plain(' '.join(details.split()))  # a message is one line; `details` is unchanged
    if code == 'UNAVAILABLE' and 'http1' in details.lower():
        return UnavailableError(
            f'the server at {address} speaks HTTP, not gRPC: name its gRPC port, or use http://',
            code,
            details,
        )
    if code == 'UNAVAILABLE' and NOT_ENCRYPTED.search(details):
        return UnavailableError(
            f'cannot encrypt the connection to {address}: check its certificate, and ca, certificate and key: '
            f'{text}',
            code,
            details,
        )
    if code == 'UNAVAILABLE' and NOT_CONNECTED.search(details):
        return UnavailableError(
            f'no server answers at {address}: start one with `vaiven serve`, or name the address of one',
            code,
            details,
        )
    if code == 'UNAVAILABLE':
        return UnavailableError(f'the server at {address} takes no requests now: {text}', code, details)
    if code == 'DEADLINE_EXCEEDED':
        return DeadlineError(
            f'no answer from {address} within {timeout:g} s: raise the timeout, or send less at once',
            code,
            details,
        )
    if code == 'UNIMPLEMENTED':
        return RequestError(
            f'the server at {address} is not a TensorFlow Serving server: {text}', code, details
        )
    if code == 'NOT_FOUND':
        return NotFoundError(_not_found(details, address, target), code, details)
    if code in INVALID and 'version label' in details:
        return InvalidRequestError(
            f'model {target.model!r} has no label {target.label!r}: see `vaiven rollout status`',
            code,
            details,
        )
    if code in INVALID and _unknown_signature(details):
        return InvalidRequestError(
            f'model {target.model!r} has no signature {target.signature!r}',
            code,
            details,
        )
    if code in INVALID:
        return InvalidRequestError(f'the server refused the request: {text}', code, details)
    return RequestError(f'the server at {address} failed with {code}: {text}', code, details)


def no_target(target: Target) -> ServingError:
    """Returns the exception for a name that is not valid UTF-8."""
    names = f'{target.model!r}, {target.signature!r}, {target.label!r}'
    return ServingError(f'model, signature and label must be strings of valid UTF-8. Received: {names}')


def status_error(number: int, details: str) -> RequestError:
    """Returns the exception for a StatusProto in a response."""
    code = CODES[number] if number < len(CODES) else 'UNKNOWN'
    text = _plain(' '.join(details.split()))
    if code in INVALID:
        return InvalidRequestError(f'the server refused the request: {text}', code, details)
    return RequestError(f'the server failed with {code}: {text}', code, details)


def _plain(text: str) -> str:
    """Reduces an assertion of the graph, `assertion failed: [rule. Received:] [value]`, to its rule and value."""
    return ASSERTION.sub(r'\1 \2', text)


def _not_found(details: str, address: str, target: Target) -> str:
    version = re.search(r'Specific\([^,]*, (\d+)\)|version (\d+) of model', details)
    if version:
        number = version.group(1) or version.group(2)
        return f'version {number} of model {target.model!r} is not loaded: see `vaiven rollout status`'
    return f'the server at {address} has no model {target.model!r}: name the one it serves'


def _unknown_signature(details: str) -> bool:
    return bool(re.search(r'Serving signature.*not found|No signature was found', details))
