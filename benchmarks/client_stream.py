"""Throughput of `vaiven predict` compared with a load generator, and its memory meanwhile."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import report, serving_figures
from benchmarks.client_plan import Plan
from benchmarks.serving_load import Job
from benchmarks.serving_processes import Load, cpu_seconds, encoded, memory
from benchmarks.serving_setup import PREDICT, Subject
from vaiven.serving.commands.batch_requests import MAX_PARALLEL_REQUESTS
from vaiven.serving.commands.predict import BATCH_ROWS
from vaiven.serving.server.server_process import ServerProcess
from vaiven.serving.wire import messages, tensors

PAYLOADS = 100
SAMPLE_SECONDS = 0.2
SETTLING_SAMPLES = 15  # a process that starts grows
MAX_GROWTH = 0.05


def stream(plan: Plan, trivial: Subject, sentiment: Subject | None, root: Path) -> dict[str, Any]:
    """Measures texts per second of the load generator (before and after, the same batches) and of the command."""
    assert sentiment is not None
    source, out = root / 'texts.txt', root / 'answers.tsv'
    with source.open('w') as file:
        file.writelines(f'{text}\n' for text in _texts(sentiment, plan.lines))
    load = Load()
    try:
        with ServerProcess(sentiment.name, sentiment.folder, timeout=300) as server:
            job = Job(
                server.grpc_address, encoded(_payloads(sentiment, source)), PREDICT, MAX_PARALLEL_REQUESTS,
                warm_up=plan.load_seconds / 4, seconds=plan.load_seconds,
            )  # fmt: skip
            load.run(job)
            loads = [BATCH_ROWS * load.run(job)['requests_a_second']]
            command = [
                sys.executable, '-m', 'vaiven.pipeline.cli', 'predict', '--server', server.grpc_address,
                '--model', sentiment.name, '--file', str(source), '--out', str(out),
            ]  # fmt: skip
            began = time.perf_counter()
            sizes, used = _watch(subprocess.Popen(command))
            speed = plan.lines / (time.perf_counter() - began)
            loads.append(BATCH_ROWS * load.run(job)['requests_a_second'])
    finally:
        load.stop()
    with source.open('rb') as asked, out.open('rb') as answered:
        wrong = sum(
            text.rstrip(b'\n') != line.rstrip(b'\n').split(b'\t')[2]
            for text, line in zip(asked, answered, strict=True)
        )
    settled = min(max(len(sizes) // 10, SETTLING_SAMPLES), len(sizes) - 1)
    return {
        'lines': plan.lines,
        'lines_out_of_order': wrong,
        'texts_a_second': {'vaiven predict': report.spread([speed]), 'load generator': report.spread(loads)},
        'cpu_us_a_text': 1e6 * used / plan.lines,
        'memory_mb': {'first': sizes[settled], 'last': sizes[-1], 'most': max(sizes)},
        'ratios': {
            'vaiven predict / load generator, texts a second': serving_figures.judged(
                serving_figures.ratio([speed] * 2, loads), 'at least', 0.8
            ),
            'growth of memory': serving_figures.judged(
                report.spread([serving_figures.growth(sizes, settled)]), 'at most', MAX_GROWTH
            ),
        },
    }


def _watch(process: 'subprocess.Popen[bytes]') -> tuple[list[float], float]:
    """Samples resident memory in MB until the process ends; returns it with the CPU seconds."""
    sizes, used = [], 0.0
    try:
        while process.poll() is None:
            try:
                sizes.append(memory(process.pid)['rss'])
                used = cpu_seconds(process.pid)
            except (OSError, KeyError):
                break  # it is ending
            time.sleep(SAMPLE_SECONDS)
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, process.args)
    finally:
        process.kill()
    return sizes, used


def _texts(sentiment: Subject, count: int) -> Iterator[str]:
    """Real sentences with permuted words, so consecutive lines differ."""
    random_words = random.Random(1)
    sentences = [each['text'][0].split() for each in sentiment.inputs]
    for number in range(count):
        words = sentences[number % len(sentences)][:12]
        random_words.shuffle(words)
        yield ' '.join(words)


def _payloads(sentiment: Subject, source: Path) -> list[bytes]:
    with source.open() as file:
        texts = [line.rstrip('\n') for _, line in zip(range(PAYLOADS * BATCH_ROWS), file, strict=False)]
    payloads = []
    for start in range(0, len(texts), BATCH_ROWS):
        request = messages.PredictRequest()
        request.model_spec.name = sentiment.name
        tensors.write_proto(request.inputs['text'], texts[start : start + BATCH_ROWS])
        payloads.append(request.SerializeToString())
    return payloads
