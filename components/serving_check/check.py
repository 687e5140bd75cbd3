"""Whether a model answers, served, as it does in this process."""

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
class Check:
    """What came out.

    Attributes:
        rows: how many texts were asked.
        grpc, rest: the largest differences of the answers of `serving_default` to them.
        signatures: the largest difference of each signature's answers to the probes, over either.
        spellings: the largest difference between the answers to one text with other apostrophes and letter forms.
        seconds: from before the server's start to after its end.
        reason: why the model is not blessed; empty where it is.
    """

    rows: int = 0
    grpc: float = 0.0
    rest: float = 0.0
    signatures: dict[str, float] = dataclasses.field(default_factory=dict)
    spellings: float = 0.0
    seconds: float = 0.0
    reason: str = ''

    def to_json(self) -> str:
        return json.dumps(_finite(dataclasses.asdict(self)), indent=2, ensure_ascii=False)


def _finite(value: Any) -> Any:
    """JSON knows no infinity."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return 'inf' if value == float('inf') else value


def check_model(folder: str, texts: Sequence[str], config: ServingCheckConfig) -> Check:
    """Starts a server on a SavedModel and asks it over gRPC and REST.

    Args:
        folder: of the SavedModel, on this machine.
        texts: those beyond `config.max_rows` are not asked.
        config: rows, batch, tolerance.
    """
    started = time.monotonic()
    check = Check()
    try:
        _ask(check, folder, texts[: config.max_rows], config)
        check.reason = _reason(check, config.tolerance)
    except Exception as error:
        # Whatever a candidate does to the server is a reason not to push it, never one to stop the pipeline.
        check.reason = f'{type(error).__name__}: {" ".join(str(error).split())}'
    check.seconds = round(time.monotonic() - started, 2)
    return check


def _ask(check: Check, folder: str, texts: Sequence[str], config: ServingCheckConfig) -> None:
    with tempfile.TemporaryDirectory(prefix='vaiven-check-') as base:
        Path(base, '1').symlink_to(Path(folder).resolve(), target_is_directory=True)
        with ServerProcess(_MODEL, base, timeout=config.start_seconds) as server:
            # Loaded while the server runs: the operating system has the files in memory by now.
            model = comparison.InProcess(folder)
            check.spellings = model.spelling_difference()
            with Client(server.grpc_address) as grpc, Client(server.rest_url) as rest:
                for name in model.signatures():
                    inputs = model.inputs(
                        name, comparison.BEGINS if name == 'generate' else comparison.PROBES
                    )
                    expected = model.predict(name, inputs)
                    check.signatures[name] = max(
                        comparison.difference(expected, client.predict(_MODEL, inputs, signature=name))
                        for client in (grpc, rest)
                    )
                for batch in comparison.batches(texts, config.batch_size):
                    inputs = model.inputs('serving_default', batch)
                    expected = model.predict('serving_default', inputs)
                    check.grpc = max(
                        check.grpc, comparison.difference(expected, grpc.predict(_MODEL, inputs))
                    )
                    check.rest = max(
                        check.rest, comparison.difference(expected, rest.predict(_MODEL, inputs))
                    )
                    check.rows += len(batch)


def _reason(check: Check, tolerance: float) -> str:
    differences = {'gRPC': check.grpc, 'REST': check.rest, **check.signatures}
    wrong = [f'{name} {value:.2g}' for name, value in differences.items() if value > tolerance]
    if wrong:
        return f'served answers differ by more than {tolerance:g} from those in process: {", ".join(wrong)}'
    if check.spellings > tolerance:
        return (
            'one text gets other answers where its apostrophes or letters are typed in another way, '
            f'as in {comparison.SPELLINGS[1]!r}; normalise text inside the model'
        )
    return ''
