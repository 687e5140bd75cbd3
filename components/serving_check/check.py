"""Compares the answers of a served model with those of the SavedModel in this process."""

import dataclasses
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vaiven.components.serving_check import comparison
from vaiven.components.serving_check.config import ServingCheckConfig
from vaiven.serving.client import Client
from vaiven.serving.server.server_process import ServerProcess

_MODEL = 'candidate'


@dataclasses.dataclass
class ServingCheckResult:
    """The outcome of a serving check; `check.json` has the same keys.

    Attributes:
        rows: number of texts that were sent.
        grpc: maximum difference of the answers of `serving_default` over gRPC.
        rest: the same over REST.
        signatures: maximum difference of each signature's answers to the probe texts, over gRPC and REST.
        spellings: maximum difference between the answers to one text with other apostrophes and letter forms.
        seconds: duration, including the start and the end of the server.
        reason: why the model is not blessed; empty if it is.
    """

    rows: int = 0
    grpc: float = 0.0
    rest: float = 0.0
    signatures: dict[str, float] = dataclasses.field(default_factory=dict)
    spellings: float = 0.0
    seconds: float = 0.0
    reason: str = ''

    def to_json(self) -> str:
        """The result as JSON; infinity becomes the string `inf`."""
        return json.dumps(_finite(dataclasses.asdict(self)), indent=2, ensure_ascii=False)


def _finite(value: Any) -> Any:
    # JSON has no infinity.
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return 'inf' if value == float('inf') else value


def check_model(
    folder: str, texts: Sequence[str], config: ServingCheckConfig, text_feature: str = 'text'
) -> ServingCheckResult:
    """Starts a server on a SavedModel and compares its answers over gRPC and REST.

    Args:
        folder: local folder of the SavedModel.
        texts: held-out texts; at most `config.max_rows` of them are sent.
        config: number of texts, batch size, tolerance and time to load.
        text_feature: name of the text in serialized examples.

    Returns:
        The differences. Any error of the server or the model becomes the reason; nothing is raised.
    """
    started = time.monotonic()
    result = ServingCheckResult()
    try:
        _compare(result, folder, texts[: config.max_rows], config, text_feature)
        result.reason = _reason(result, config.tolerance)
    except Exception as error:
        # A candidate that breaks the server is not pushed, but does not stop the pipeline.
        result.reason = f'{type(error).__name__}: {" ".join(str(error).split())}'
    result.seconds = round(time.monotonic() - started, 2)
    return result


def _compare(
    result: ServingCheckResult,
    folder: str,
    texts: Sequence[str],
    config: ServingCheckConfig,
    text_feature: str,
) -> None:
    with tempfile.TemporaryDirectory(prefix='vaiven-check-') as base:
        Path(base, '1').symlink_to(Path(folder).resolve(), target_is_directory=True)
        with ServerProcess(_MODEL, base, timeout=config.start_seconds) as server:
            # Loaded after the server: the files are in the page cache by then.
            model = comparison.InProcessModel(folder, text_feature)
            result.spellings = model.spelling_difference()
            with Client(server.grpc_address) as grpc, Client(server.rest_url) as rest:
                for name in model.signatures():
                    inputs = model.inputs(
                        name, comparison.PROMPTS if name == 'generate' else comparison.PROBES
                    )
                    expected = model.predict(name, inputs)
                    result.signatures[name] = max(
                        comparison.max_difference(expected, client.predict(_MODEL, inputs, signature=name))
                        for client in (grpc, rest)
                    )
                for batch in comparison.batches(texts, config.batch_size):
                    inputs = model.inputs('serving_default', batch)
                    expected = model.predict('serving_default', inputs)
                    result.grpc = max(
                        result.grpc, comparison.max_difference(expected, grpc.predict(_MODEL, inputs))
                    )
                    result.rest = max(
                        result.rest, comparison.max_difference(expected, rest.predict(_MODEL, inputs))
                    )
                    result.rows += len(batch)


def _reason(result: ServingCheckResult, tolerance: float) -> str:
    differences = {'gRPC': result.grpc, 'REST': result.rest, **result.signatures}
    exceeding = [f'{name} {value:.2g}' for name, value in differences.items() if value > tolerance]
    if exceeding:
        return (
            f'served answers differ by more than {tolerance:g} from those in process: {", ".join(exceeding)}'
        )
    if result.spellings > tolerance:
        return (
            'the same text gets different answers when its apostrophes or letters are spelled differently, '
            f'as in {comparison.SPELLINGS[1]!r}; normalise the text inside the model'
        )
    return ''
