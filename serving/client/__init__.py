"""Asks a server that speaks TensorFlow Serving's APIs; needs no TensorFlow.

from vaiven.serving.client import Client, Vaiven

with Client('127.0.0.1:8500') as client:
    client.predict('reviews', {'text': ['What a film!']})['probability']
    Vaiven(client).sentiment(['What a film!', 'Qué pérdida de tiempo'])
"""

from vaiven.serving.client.client import Client
from vaiven.serving.client.errors import (
    DeadlineError,
    InvalidRequestError,
    NotFoundError,
    RequestError,
    UnavailableError,
)
from vaiven.serving.client.product import Vaiven
from vaiven.serving.client.results import (
    Course,
    NextWord,
    Score,
    Sentiment,
    Signature,
    TensorSpec,
    VersionStatus,
    Written,
)

__all__ = [
    'Client',
    'Course',
    'DeadlineError',
    'InvalidRequestError',
    'NextWord',
    'NotFoundError',
    'RequestError',
    'Score',
    'Sentiment',
    'Signature',
    'TensorSpec',
    'UnavailableError',
    'Vaiven',
    'VersionStatus',
    'Written',
]
