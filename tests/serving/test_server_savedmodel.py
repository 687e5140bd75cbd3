"""A version is prepared for the run variants of the one before it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from vaiven.serving.server.saved_model import MAX_RUN_VARIANTS, RunVariants, SavedModel
from vaiven.serving.server.session import SessionOptions


def test_the_next_version_is_prepared_for_the_run_variants_of_the_last(
    made_models: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    variants = RunVariants()
    first, second = (SavedModel(path, SessionOptions(), variants) for path in made_models[:2])
    signature = first.signatures['serving_default']
    feeds = {signature.inputs['x'].name: np.float32([1.0])}
    fetches = [signature.outputs['y'].name]
    for seconds, single_threaded in ((None, False), (30.0, False), (None, True)):
        first.run(feeds, fetches, seconds, single_threaded=single_threaded)
    made: list[object] = []
    make = second._session._make_callable_from_options
    monkeypatch.setattr(
        second._session,
        '_make_callable_from_options',
        lambda options: (made.append(options), make(options))[1],
    )
    second.prepare(feeds, fetches)
    assert len(made) == 3
    second.prepare(feeds, fetches)
    assert len(made) == 3
    for seconds, single_threaded in ((None, False), (30.0, False), (None, True)):
        assert second.run(feeds, fetches, seconds, single_threaded=single_threaded)[0] == [3.5]
    assert len(made) == 3
    second.run(feeds, fetches, 3.0)
    assert len(made) == 4
    for model in (first, second):
        model.close()


def test_the_first_version_is_prepared_for_a_request_without_deadline(made_models: list[Path]) -> None:
    model = SavedModel(made_models[0], SessionOptions())
    signature = model.signatures['serving_default']
    feeds = {signature.inputs['x'].name: np.float32([1.0])}
    fetches = [signature.outputs['y'].name]
    model.run(feeds, fetches, single_threaded=True)
    model.prepare(feeds, fetches)
    assert {key[2:] for key in model._callables} == {(0, True), (0, False)}
    model.close()


def test_a_folder_whose_name_is_a_pattern_is_loaded_as_it_is(made_models: list[Path], tmp_path: Path) -> None:
    folder = shutil.copytree(made_models[0], tmp_path / "Proyecto [2026] *?\\'" / '1')
    model = SavedModel(folder, SessionOptions())
    signature = model.signatures['serving_default']
    [half] = model.run({signature.inputs['x'].name: np.float32([1.0])}, [signature.outputs['y'].name])
    [expected] = SavedModel(made_models[0], SessionOptions()).run(
        {signature.inputs['x'].name: np.float32([1.0])}, [signature.outputs['y'].name]
    )
    assert half == expected
    model.close()


def test_a_timeout_that_is_too_short_for_a_first_run_does_not_fail_the_load(made_models: list[Path]) -> None:
    variants = RunVariants()
    model = SavedModel(made_models[0], SessionOptions(), variants)
    signature = model.signatures['slow']
    feeds = {signature.inputs['seconds'].name: np.float32([0.3])}
    fetches = [signature.outputs['done'].name]
    variants.add(tuple(fetches), 8, single_threaded=False)
    model.prepare(feeds, fetches)
    assert model.run(feeds, fetches)[0] == np.float32([0.3])
    model.close()


def test_the_last_of_many_run_variants_are_kept() -> None:
    variants = RunVariants()
    for exponent in range(20):
        variants.add(('y',), 1 << exponent, single_threaded=False)
    assert variants.get(('y',)) == [(1 << exponent, False) for exponent in range(20 - MAX_RUN_VARIANTS, 20)]
    assert variants.get(('other',)) == []
