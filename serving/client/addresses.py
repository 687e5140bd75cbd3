"""Addresses, targets, and the request flows that are the same over gRPC and REST."""

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
from vaiven.serving.client.transport import SAVED_MODEL, RequestFlow, RequestFlows, Transport
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.limits import MAX_VERSION

POLL_SECONDS = 0.1


def transport(address: str, connection: Connection) -> Transport:
    """Returns the blocking transport for `address`.

    A transport is imported on first use: gRPC alone takes longer to import than everything else.

    Raises:
        ServingError: `address` is not valid.
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
    """Raises ServingError if `address` is not the address of a gRPC API."""
    if not re.fullmatch(r'(unix:|dns:///)?\S+', address) or not (
        re.search(r':[0-9]{1,5}$', address) or address.startswith('unix:')
    ):
        raise ServingError(f'an address must be host:port or http://host:port. Received: {address!r}')


def target_of(
    model: str, signature: str = '', version: int | None = None, label: str | None = None
) -> Target:
    """Returns the target of a request.

    Args:
        model: name of the model.
        signature: name of the signature.
        version: version of the model.
        label: version label.

    Raises:
        ServingError: `version` is not a version number, or is combined with a label.
    """
    if version is not None and label is not None:
        raise ServingError(f'give a version or a label, not both. Received: {version} and {label!r}')
    if version is not None and not (hasattr(version, '__index__') and 0 <= version <= MAX_VERSION):
        raise ServingError(f'a version must lie between 0 and {MAX_VERSION}. Received: {version!r}')
    return Target(model, signature, version, label)


def label_version(flows: RequestFlows, target: Target) -> RequestFlow[int | None]:
    """Returns the loaded version that the label of `target` names; None if there is no such label."""
    try:
        return (yield from flows.metadata(target)).version
    except InvalidRequestError:
        return None


def wait_until_available(flows: RequestFlows, target: Target, seconds: float) -> RequestFlow[VersionStatus]:
    """Polls until the version of `target`, or any version, is AVAILABLE.

    NOT_FOUND does not end the wait: a server answers so until it has looked for the first version of a model.

    Args:
        flows: the request flows of the protocol.
        target: model and version.
        seconds: how long to wait.

    Raises:
        RequestError: the time is up, or the version cannot be loaded.
    """
    deadline = time.monotonic() + seconds
    last: RequestError | None = None
    answered = False
    while time.monotonic() < deadline:
        try:
            versions = yield from flows.status(Target(target.model))
        except UnavailableError as error:
            last = error
        except NotFoundError as error:
            last, answered = error, True
        except DeadlineError as error:
            last = last if answered else error
        else:
            last, answered = None, True
            if version := _available(versions, target):
                return version
        yield min(POLL_SECONDS, max(0.0, deadline - time.monotonic()))
    raise last or _too_late(target, seconds)


def _available(versions: Sequence[VersionStatus], target: Target) -> VersionStatus | None:
    """Returns the AVAILABLE version, if there is one. Raises InvalidRequestError if it cannot be loaded."""
    for version in versions:
        if target.version is not None and version.version != target.version:
            continue
        if version.available:
            return version
        if version.state == 'END' and version.error and target.version is not None:
            raise InvalidRequestError(
                f'version {version.version} of model {target.model!r} cannot be loaded: {version.error}',
                'FAILED_PRECONDITION',
                version.error,
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
