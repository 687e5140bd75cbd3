"""BatchingParameters, from the file of --batching_parameters_file or of a version folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaiven.serving.common import textproto
from vaiven.serving.common.status import invalid_argument
from vaiven.serving.wire import messages

FILE = 'batching_params.pbtxt'


@dataclass(frozen=True)
class BatchingParameters:
    """Sizes and times of batches. The defaults are upstream's.

    Attributes:
        max_batch_size: maximum rows of a request.
        max_execution_batch_size: maximum rows of a run.
        timeout_seconds: how long a batch that is not full waits for more requests.
        max_enqueued_batches: maximum waiting batches; 0 rejects every request that cannot run at once.
        threads: batches that run at the same time; 0: one per CPU.
        allowed_batch_sizes: rows that a run may have; smaller batches are padded. Empty: any number.
        pad_variable_length_inputs: whether rows of different shapes are padded to the largest.
        or_alone: whether a request that cannot be batched (more rows than `max_batch_size`, inputs with different
            numbers of rows) runs alone, and is not refused.
    """

    max_batch_size: int = 1000
    max_execution_batch_size: int = 1000
    timeout_seconds: float = 0.0
    max_enqueued_batches: int = 10
    threads: int = 0
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    or_alone: bool = False

    def allowed_size(self, rows: int) -> int:
        """The smallest allowed number of rows that is at least `rows`."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


# Of --automatic_batching, which must not refuse what would be answered without batching.
AUTOMATIC = BatchingParameters(64, 64, max_enqueued_batches=1 << 30, or_alone=True)


def read(path: Path) -> BatchingParameters:
    """The parameters in a file. Raises StatusError if it cannot be read or is invalid."""
    try:
        return from_proto(textproto.read(path, messages.BatchingParameters(), messages.pool))
    except textproto.TextProtoError as error:
        raise invalid_argument(str(error)) from error


def from_proto(proto: Any) -> BatchingParameters:
    """The parameters in a BatchingParameters message, of any pool. Raises StatusError if one is invalid."""

    def value(name: str, default: int, minimum: int) -> int:
        # The fields are wrapper messages: an absent one has the default, an explicit 0 is a value.
        number = getattr(proto, name).value if proto.HasField(name) else default
        if number < minimum:
            raise invalid_argument(f'{name} must be at least {minimum}; was {number}')
        return int(number)

    size = value('max_batch_size', 1000, 1)
    splitting = proto.HasField('enable_large_batch_splitting') and proto.enable_large_batch_splitting.value
    # Upstream reads max_execution_batch_size only together with splitting.
    run_size = value('max_execution_batch_size', size, 1) if splitting else size
    if run_size > size:
        raise invalid_argument(
            f'max_execution_batch_size must not be above max_batch_size; was {run_size}, above {size}'
        )
    allowed = tuple(proto.allowed_batch_sizes)
    if list(allowed) != sorted(set(allowed)) or any(number < 1 for number in allowed):
        raise invalid_argument(f'allowed_batch_sizes entries must be increasing; were {list(allowed)}')
    if allowed and allowed[-1] != run_size:
        name = 'max_execution_batch_size' if splitting else 'max_batch_size'
        raise invalid_argument(
            f'Last entry in allowed_batch_sizes must match {name}; last entry was {allowed[-1]}; expected {run_size}'
        )
    return BatchingParameters(
        max_batch_size=size,
        max_execution_batch_size=run_size,
        timeout_seconds=value('batch_timeout_micros', 0, 0) / 1e6,
        max_enqueued_batches=value('max_enqueued_batches', 10, 0),
        threads=value('num_batch_threads', 0, 0),
        allowed_batch_sizes=allowed,
        pad_variable_length_inputs=proto.pad_variable_length_inputs,
    )
