"""Results with their spread, and the output of benchmarks."""

import importlib.metadata
import json
import logging
import math
import os
import platform
import statistics
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PACKAGES = ('keras', 'numpy', 'scikit-learn', 'tensorflow', 'tensorflow-text', 'torch')


def quiet_libraries() -> None:
    """Silences the start-up messages of TensorFlow; call it before TensorFlow is imported."""
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    warnings.filterwarnings('ignore', module='keras')


def show_progress() -> None:
    """Prints the progress of training, indented."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter('    %(message)s'))
    logger = logging.getLogger('vaiven.progress')
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean and standard deviation (of the sample; None for a single value) with the values themselves."""
    return {
        'mean': statistics.fmean(values),
        'sd': statistics.stdev(values) if len(values) > 1 else None,
        'values': list(values),
    }


def paired(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Computes the difference ours − theirs over the same folds, with the p-value of a two-sided paired t-test.

    `p` is None if it is not defined: one fold, or equal differences.
    """
    from scipy import stats

    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    p = float(stats.ttest_rel(ours, theirs).pvalue) if len(set(differences)) > 1 else math.nan
    return {**spread(differences), 'p': None if math.isnan(p) else p}


def percent(figures: dict[str, Any]) -> str:
    """`80.1 ± 1.0` for `spread` of shares."""
    spread_text = '' if figures['sd'] is None else f' ± {100 * figures["sd"]:.1f}'
    return f'{100 * figures["mean"]:.1f}{spread_text}'


def surroundings() -> dict[str, Any]:
    """Returns the machine and the versions of the libraries."""
    versions = {'python': platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        'versions': versions,
        'machine': {
            'processor': _processor(),
            'cores': len(os.sched_getaffinity(0)),
            'load': os.getloadavg()[0],
        },
    }


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()


def say(line: str) -> None:
    print(line, flush=True)


def conclude(result: dict[str, Any]) -> None:
    """Prints the result as the last line, one JSON object."""
    sys.stdout.flush()
    print(json.dumps(_rounded({**result, **surroundings()}), ensure_ascii=False), flush=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return float(f'{value:.6g}') if isinstance(value, float) else value
