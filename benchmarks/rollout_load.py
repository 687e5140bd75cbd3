"""Callers that follow the split of a model: each requests the label of its key, and records which version answers.

    python -m benchmarks.rollout_load ADDRESS SPLIT MODEL TEXT CALLERS

Each line of standard input is answered by the counts of the current phase; the line `next` starts another phase.
The process ends with its input.
"""

import asyncio
import itertools
import json
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from benchmarks.serving_setup import PREDICT
from vaiven.serving.common.split import SplitFile
from vaiven.serving.wire import messages, tensors

RECURRING = 200  # keys that come again and again: which side they are on is kept
RECURRENT_EVERY = 5
REQUEST_TIMEOUT = 60.0


class Stretch:
    """Counts which version answered unique keys, and on which side recurring keys were."""

    def __init__(self) -> None:
        self.versions: Counter[int] = Counter()
        self.sides: dict[str, set[int]] = {}
        self.requests = self.failures = 0
        self.first_failure = ''

    def told(self) -> dict[str, Any]:
        return {
            'requests': self.requests,
            'asked': sum(self.versions.values()),
            'versions': {str(version): count for version, count in self.versions.items()},
            'recurring': len(self.sides),
            'moved': sum(len(sides) > 1 for sides in self.sides.values()),
            'failures': self.failures,
            'first_failure': self.first_failure,
        }


class Callers:
    """All callers in one event loop; each has its own view of the split, like separate programs."""

    def __init__(self, address: str, split: Path, model: str, text: str) -> None:
        self.stretch = Stretch()
        self._address, self._split, self._model, self._text = address, split, model, text
        self._payloads: dict[str, bytes] = {}
        self._fresh = itertools.count()

    async def call(self, number: int) -> None:
        options = [('grpc.enable_http_proxy', 0), ('grpc.use_local_subchannel_pool', 1)]
        watched = SplitFile(self._split, self._model)
        async with grpc.aio.insecure_channel(self._address, options=options) as channel:
            predict = channel.unary_unary(PREDICT)
            for asked in itertools.count():
                recurs = asked % RECURRENT_EVERY == 0
                place = next(self._fresh)
                key = f'again-{place % RECURRING}' if recurs else f'key-{place}'
                stretch = self.stretch
                stretch.requests += 1
                try:
                    answer = await predict(
                        self._payload(watched.now().label_of(key)), timeout=REQUEST_TIMEOUT
                    )
                except grpc.aio.AioRpcError as error:
                    stretch.failures += 1
                    stretch.first_failure = stretch.first_failure or f'{error.code().name}: {error.details()}'
                    continue
                version = messages.PredictResponse.FromString(answer).model_spec.version.value
                if recurs:
                    stretch.sides.setdefault(key, set()).add(version)
                else:
                    stretch.versions[version] += 1

    def _payload(self, label: str) -> bytes:
        if label not in self._payloads:
            request = messages.PredictRequest()
            request.model_spec.name, request.model_spec.version_label = self._model, label
            tensors.write_proto(request.inputs['text'], [self._text])
            self._payloads[label] = request.SerializeToString()
        return self._payloads[label]


async def main(address: str, split: str, model: str, text: str, callers: str) -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, '')

    threading.Thread(target=read, daemon=True).start()
    calling = Callers(address, Path(split), model, text)
    tasks = [asyncio.create_task(calling.call(number)) for number in range(int(callers))]
    print(json.dumps({'ready': True}), flush=True)
    while line := await lines.get():
        print(json.dumps(calling.stretch.told()), flush=True)
        if line.strip() == 'next':
            calling.stretch = Stretch()
    for task in tasks:
        task.cancel()


if __name__ == '__main__':
    asyncio.run(main(*sys.argv[1:]))
