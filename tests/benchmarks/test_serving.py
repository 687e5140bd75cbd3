"""Figures of the serving benchmark, and its load generator against a tiny echo. No time is asserted."""

import asyncio
import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from aiohttp import web

from benchmarks import serving_figures, serving_load
from benchmarks.serving_figures import Life
from benchmarks.serving_load import Job
from benchmarks.serving_peers import ECHO_METHOD
from benchmarks.serving_processes import Child, ChildError, Load, encoded
from benchmarks.serving_setup import sentiment, trivial
from benchmarks.serving_switches import look, put
from benchmarks.serving_turns import FIGURES, Series


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert serving_figures.percentile(values, 0.5) == 50
    assert serving_figures.percentile(values, 0.99) == 99
    assert serving_figures.percentile(values, 1.0) == 100
    assert serving_figures.percentile([7.0], 0.99) == 7
    assert math.isnan(serving_figures.percentile([], 0.5))


def test_a_ratio_pairs_the_repeats_and_needs_a_baseline() -> None:
    figures = serving_figures.ratio([2.0, 9.0, 1.0], [1.0, 3.0, 0.0])
    assert figures['values'] == [2.0, 3.0]
    assert figures['mean'] == 2.5
    assert serving_figures.ratio([1.0], [0.0])['mean'] is None


def test_a_target_is_met_at_its_bound() -> None:
    one = serving_figures.ratio([3.0], [5.0])
    assert serving_figures.judged(one, 'at least', 0.6)['met']
    assert not serving_figures.judged(one, 'at most', 0.5)['met']
    assert serving_figures.judged(serving_figures.ratio([], []), 'at most', 1.0)['met'] is None
    assert serving_figures.text(serving_figures.judged(one, 'at most', 0.5)) == '0.6 (at most 0.5: missed)'


def test_growth_compares_the_end_with_what_came_after_the_first_cycles() -> None:
    assert serving_figures.growth([50.0] * 10 + [100.0] * 10 + [110.0] * 10, 20) == pytest.approx(0.1)
    assert serving_figures.growth([100.0, 100.0], 0) == 0


def test_answers_are_wrong_before_a_version_is_available_and_after_it_was_seen_going() -> None:
    life = Life(appeared=10.0)
    for state, asked in (
        ('START', 11.0),
        ('LOADING', 12.0),
        ('AVAILABLE', 13.0),
        ('UNLOADING', 20.0),
        ('END', 21.0),
    ):
        life = look(life, state, asked, asked + 0.1)
    assert life == Life(10.0, not_yet=12.0, available=13.1, gone=20.1)
    right = [(11.0, 12.5, 1), (13.0, 13.2, 1), (19.9, 25.0, 1), (20.05, 20.2, 1)]
    wrong = [(9.0, 9.5, 1), (11.0, 11.9, 1), (20.2, 20.3, 1), (15.0, 15.1, 2)]
    assert serving_figures.wrong_answers(right + wrong, {1: life}) == wrong


def test_a_version_is_put_whole_and_shares_its_files(tmp_path: Path) -> None:
    source, folder = tmp_path / 'source', tmp_path / 'versions'
    (source / 'variables').mkdir(parents=True)
    (source / 'variables' / 'data').write_bytes(b'weights')
    folder.mkdir()
    put(source, folder, 7)
    assert os.listdir(folder) == ['7']
    assert (folder / '7' / 'variables' / 'data').samefile(source / 'variables' / 'data')


def test_points_are_kept_by_contestant_and_callers() -> None:
    series = Series()
    for name, speed in (('ours', 6.0), ('theirs', 3.0)):
        result = {**dict.fromkeys(FIGURES, 1.0), 'requests_a_second': speed, 'failures': 0}
        series.add(name, 32, result)
    assert series.ratio('ours', 'theirs', 32)['mean'] == 2
    assert series.figures()['ours']['32']['requests_a_second']['values'] == [6.0]
    assert not series.failures


def test_both_protocols_ask_for_the_same(tmp_path: Path) -> None:
    assert trivial(tmp_path).rest('http://h:1').address == 'http://h:1/v1/models/trivial:predict'
    assert len(sentiment(tmp_path).grpc('h:1').payloads) == len(sentiment(tmp_path).bodies()) > 1


async def _echo(handler: Any, method: str = ECHO_METHOD) -> tuple[grpc.aio.Server, str]:
    service, name = method.strip('/').split('/')
    server = grpc.aio.server()
    handlers = {name: grpc.unary_unary_rpc_method_handler(handler)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port('127.0.0.1:0')
    await server.start()
    return server, f'127.0.0.1:{port}'


def test_callers_ask_for_all_payloads_and_keep_the_answers() -> None:
    seen: set[bytes] = set()
    most = under_way = 0

    async def answer(request: bytes, context: Any) -> bytes:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)  # long enough for three callers to meet on a busy machine
        under_way -= 1
        seen.add(request)
        return request

    async def measure() -> dict[str, Any]:
        server, address = await _echo(answer)
        job = Job(
            address, encoded([b'a', b'b', b'c']), ECHO_METHOD, callers=3, warm_up=0.05, seconds=0.2, keep=True
        )
        try:
            return await serving_load.run(job, asyncio.Event())
        finally:
            await server.stop(None)

    result = asyncio.run(measure())
    assert seen == {b'a', b'b', b'c'}
    assert most == 3
    assert result['failures'] == 0
    assert 0 < result['requests'] <= result['sent'] == len(result['times'])
    assert sorted(result['bodies']) == sorted(encoded([b'a', b'b', b'c']))
    assert result['p50_ms'] <= result['p99_ms']


def test_failures_are_counted_with_their_reason_and_a_job_without_an_end_can_be_stopped() -> None:
    async def refuse(request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, 'no such model')
        raise AssertionError

    async def measure() -> dict[str, Any]:
        server, address = await _echo(refuse)
        stop = asyncio.Event()
        job = Job(address, encoded([b'a']), ECHO_METHOD, warm_up=0, seconds=None)
        running = asyncio.create_task(serving_load.run(job, stop))
        await asyncio.sleep(0.1)
        stop.set()
        try:
            return await running
        finally:
            await server.stop(None)

    result = asyncio.run(measure())
    assert result['failures'] == result['sent'] > 0
    assert 'NOT_FOUND: no such model' in result['first_failure']
    assert result['requests'] == 0


def test_rest_counts_all_but_200_as_failures() -> None:
    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(body=body, status=200 if body == b'{}' else 503)

    async def measure(payload: bytes) -> dict[str, Any]:
        app = web.Application()
        app.router.add_post('/ask', answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, '127.0.0.1', 0)
        await site.start()
        job = Job(
            f'http://127.0.0.1:{runner.addresses[0][1]}/ask', encoded([payload]), warm_up=0, seconds=0.1
        )
        try:
            return await serving_load.run(job, asyncio.Event())
        finally:
            await runner.cleanup()

    good, bad = asyncio.run(measure(b'{}')), asyncio.run(measure(b'[]'))
    assert good['failures'] == 0 < good['requests']
    assert bad['failures'] == bad['sent'] > 0
    assert bad['first_failure'].endswith('HTTP 503: []')


def test_the_processes_of_a_measurement_end_with_it() -> None:
    load = Load()
    try:
        with Child('serving_peers', 'echo') as echo:
            job = Job(echo.read()['address'], encoded([b'x']), ECHO_METHOD, callers=2, warm_up=0, seconds=0.1)
            assert load.run(job)['failures'] == 0
            load.start(dataclasses.replace(job, seconds=None, keep=True))
            assert load.finish()['bodies'] == encoded([b'x'])
            assert load.run(job)['failures'] == 0
    finally:
        load.stop()
    for pid in (echo.pid, load.pid):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_child_that_fails_says_why() -> None:
    with Child('serving_peers', 'nobody') as child, pytest.raises(ChildError, match='nobody'):
        child.read()


def test_results_are_json() -> None:
    figures = serving_figures.judged(serving_figures.ratio([1.0], [2.0]), 'at least', 0.6)
    assert json.loads(json.dumps(figures))['met'] is False
