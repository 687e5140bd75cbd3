"""A client for servers with TensorFlow Serving's APIs; it needs no TensorFlow.

from vaiven.serving.client import Client, Vaiven

with Client('127.0.0.1:8500') as client:
    client.predict('reviews', {'text': ['What a film!']})['probability']
    Vaiven(client).sentiment(['What a film!', 'a waste of time'])
"""

from typing import TYPE_CHECKING, Any

from vaiven.serving.client.client import Client
from vaiven.serving.client.connection import Connection
from vaiven.serving.client.errors import (
    DeadlineError,
    InvalidRequestError,
    NotFoundError,
    RequestError,
    UnavailableError,
)
from vaiven.serving.client.explanation import Contribution, Explanation
from vaiven.serving.client.results import (
    UNDECIDED,
    Classification,
    Continuation,
    Course,
    NextWord,
    Score,
    Sentiment,
    Signature,
    TensorSpec,
    TokenSentiment,
    VersionStatus,
    Written,
)
from vaiven.serving.client.text_client import Vaiven

if TYPE_CHECKING:
    from vaiven.serving.client.async_client import AsyncClient
    from vaiven.serving.client.async_text_client import AsyncVaiven

__all__ = [
    'UNDECIDED',
    'AsyncClient',
    'AsyncVaiven',
    'Classification',
    'Client',
    'Connection',
    'Continuation',
    'Contribution',
    'Course',
    'DeadlineError',
    'Explanation',
    'InvalidRequestError',
    'NextWord',
    'NotFoundError',
    'RequestError',
    'Score',
    'Sentiment',
    'Signature',
    'TensorSpec',
    'TokenSentiment',
    'UnavailableError',
    'Vaiven',
    'VersionStatus',
    'Written',
]


def __getattr__(name: str) -> Any:
    if name == 'AsyncClient':  # imported on first use, because asyncio is slow to import
        from vaiven.serving.client.async_client import AsyncClient

        return AsyncClient
    if name == 'AsyncVaiven':
        from vaiven.serving.client.async_text_client import AsyncVaiven

        return AsyncVaiven
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
