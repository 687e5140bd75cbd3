"""What clients of both kinds share: addresses, targets, and the exchanges that are the same whatever the protocol."""

import re
import time
from collections.abc import Sequence

from vaiven.serving.client.connection import Connection
from vaiven.serving.client.errors import (
    DeadlineError,
    InvalidRequestError,
    NotFoundError,
    RequestError,
    UnavailableError,
)
from vaiven.serving.client.results import Target, VersionStatus
from vaiven.serving.client.transport import RequestFlow, RequestFlows, Transport
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.limits import MAX_VERSION

POLL_SECONDS = 0.1
SAVED_MODEL = 'saved-model:'


def transport(address: str, connection: Connection) -> Transport:
    """The way to `address`, for callers that wait.

    Each transport is imported when it is used: gRPC alone takes longer to import than all the rest.

    Raises:
        ServingError: `address` is none.
    """
    if is_rest(address):
        from vaiven.serving.client.rest_transport import RestTransport

        return RestTransport(address, connection)
    if address.startswith(SAVED_MODEL):
        from vaiven.serving.client.local_transport import LocalTransport

        return LocalTransport(address)
    check_address(address)
    from vaiven.serving.client.grpc_transport import GrpcTransport

    return GrpcTransport(address, connection)


def is_rest(address: str) -> bool:
    return bool(re.fullmatch(r'https?://[^/\s]\S*', address))


def check_address(address: str) -> None:
    """Raises ServingError where `address` is none of a gRPC API."""
    if not re.fullmatch(r'(unix:|dns:///)?\S+', address) or not (
        re.search(r':[0-9]{1,5}$', address) or address.startswith('unix:')
    ):
        raise ServingError(f'an address is host:port or http://host:port. Received: {address!r}')


def target_of(
    model: str, signature: str = '', version: int | None = None, label: str | None = None
) -> Target:
    """Raises ServingError for a version that is none, or beside a label."""
    if version is not None and label is not None:
        raise ServingError(f'give a version or a label, not both. Received: {version} and {label!r}')
    if version is not None and not (hasattr(version, '__index__') and 0 <= version <= MAX_VERSION):
        raise ServingError(f'a version is a number from 0 to {MAX_VERSION}. Received: {version!r}')
    return Target(model, signature, version, label)


def label_version(exchanges: RequestFlows, target: Target) -> RequestFlow[int | None]:
    """The loaded version that the label of `target` names; None where there is no such label."""
    try:
        return (yield from exchanges.metadata(target)).version
    except InvalidRequestError:
        return None


def wait_until_available(
    exchanges: RequestFlows, target: Target, seconds: float
) -> RequestFlow[VersionStatus]:
    """Asks until the version of `target` (or any) is AVAILABLE. Raises RequestError when it is too late, or vain.

    A server says of a model whose first version is to come what it says of one that it does not have.
    """
    deadline = time.monotonic() + seconds
    last: RequestError | None = None
    answered = False
    while time.monotonic() < deadline:
        try:
            versions = yield from exchanges.status(Target(target.model))
        except UnavailableError as error:
            last = error
        except NotFoundError as error:
            last, answered = error, True
        except DeadlineError as error:
            last = last if answered else error
        else:
            last, answered = None, True
            if found := _found(versions, target):
                return found
        yield min(POLL_SECONDS, max(0.0, deadline - time.monotonic()))
    raise last or _too_late(target, seconds)


def _found(versions: Sequence[VersionStatus], target: Target) -> VersionStatus | None:
    """The AVAILABLE one that is waited for, if it is there. Raises InvalidRequestError where it will never be."""
    for each in versions:
        if target.version is not None and each.version != target.version:
            continue
        if each.available:
            return each
        if each.state == 'END' and each.error and target.version is not None:
            raise InvalidRequestError(
                f'version {each.version} of model {target.model!r} cannot be loaded: {each.error}',
                'FAILED_PRECONDITION',
                each.error,
            )
    return None


def _too_late(target: Target, seconds: float) -> RequestError:
    what = 'no version' if target.version is None else f'version {target.version}'
    verb = 'was' if target.version is None else 'was not'
    return RequestError(
        f'{what} of model {target.model!r} {verb} loaded within {seconds:g} s: see the log of the server',
        'DEADLINE_EXCEEDED',
        '',
    )
