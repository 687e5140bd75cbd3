"""What may go wrong with a request: typed, with the server's code and details, and a line that says what to do."""

import re

from vaiven.serving.client.results import Target
from vaiven.serving.common.errors import ServingError


class RequestError(ServingError):
    """A request that failed.

    Attributes:
        code: name of the gRPC status, as 'NOT_FOUND'; for REST, the one that fits the HTTP status.
        details: the server's own words.
    """

    exit_status = 1

    def __init__(self, message: str, code: str, details: str) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class UnavailableError(RequestError):
    """No server answers there, or it takes no requests now. Safe to try again."""


class DeadlineError(RequestError):
    """No answer came in time."""


class NotFoundError(RequestError):
    """The server has no such model, or no such version of it."""

    exit_status = 2


class InvalidRequestError(RequestError):
    """The server understood the request and refused it: unknown label, signature, input, or a bad value."""

    exit_status = 2


# In the order of their numbers.
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
INVALID = ('INVALID_ARGUMENT', 'FAILED_PRECONDITION', 'OUT_OF_RANGE')
NOT_ENCRYPTED = re.compile(r'certificate|handshake|\b(ssl|tls)\b', re.I)
NOT_CONNECTED = re.compile(
    r'connect|refused|unreachable|DNS|name resolution|Name or service|Socket closed|GOAWAY|reset', re.I
)

ASSERTION = re.compile(r'^.*assertion failed: \[(.*? Received:)\] \[(.*?)\](?: \[\[\{\{.*)?$')


def request_error(code: str, details: str, address: str, timeout: float, target: Target) -> RequestError:
    """The exception for a status.

    Args:
        code: name of the gRPC status.
        details: its text.
        address: where the server is.
        timeout: seconds that were allowed.
        target: what was asked.
    """
    text = _plain(' '.join(details.split()))  # a message is one line; `details` stays as it came
    if code == 'UNAVAILABLE' and 'http1' in details.lower():
        return UnavailableError(
            f'what listens at {address} speaks HTTP, not gRPC: give the gRPC port, or use REST', code, details
        )
    if code == 'UNAVAILABLE' and NOT_ENCRYPTED.search(details):
        return UnavailableError(
            f'no encrypted connection to {address}: look at its certificate and at ca, certificate and key: '
            f'{text}',
            code,
            details,
        )
    if code == 'UNAVAILABLE' and NOT_CONNECTED.search(details):
        return UnavailableError(
            f'no server answers at {address}: start one with `vaiven serve`, or name where one is',
            code,
            details,
        )
    if code == 'UNAVAILABLE':
        return UnavailableError(f'the server at {address} takes no requests now: {text}', code, details)
    if code == 'DEADLINE_EXCEEDED':
        return DeadlineError(
            f'no answer from {address} within {timeout:g} s: allow more, or send less at once', code, details
        )
    if code == 'UNIMPLEMENTED':
        return RequestError(
            f'what listens at {address} is no TensorFlow Serving server: {text}', code, details
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
            f'model {target.model!r} has no signature {target.signature!r}: it was not made for this',
            code,
            details,
        )
    if code in INVALID:
        return InvalidRequestError(f'the server refused the request: {text}', code, details)
    return RequestError(f'the server at {address} failed with {code}: {text}', code, details)


def no_target(target: Target) -> ServingError:
    """The exception for names that cannot travel."""
    names = f'{target.model!r}, {target.signature!r}, {target.label!r}'
    return ServingError(f'a model, a signature and a label are strings of valid UTF-8. Received: {names}')


def status_error(number: int, details: str) -> RequestError:
    """The exception for a StatusProto in an answer."""
    code = CODES[number] if number < len(CODES) else 'UNKNOWN'
    text = _plain(' '.join(details.split()))
    if code in INVALID:
        return InvalidRequestError(f'the server refused the request: {text}', code, details)
    return RequestError(f'the server failed with {code}: {text}', code, details)


def _plain(text: str) -> str:
    """Of a rule that a model states in its graph, only what it says: `assertion failed: [rule. Received:] [what]`."""
    return ASSERTION.sub(r'\1 \2', text)


def _not_found(details: str, address: str, target: Target) -> str:
    version = re.search(r'Specific\([^,]*, (\d+)\)|version (\d+) of model', details)
    if version:
        number = version.group(1) or version.group(2)
        return f'version {number} of model {target.model!r} is not loaded: see `vaiven rollout status`'
    return f'the server at {address} has no model {target.model!r}: name the one it serves'


def _unknown_signature(details: str) -> bool:
    return bool(re.search(r'Serving signature.*not found|No signature was found', details))
