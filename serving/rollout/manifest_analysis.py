"""The gates of a plan as analyses of Argo Rollouts, and how long a step must last for them to measure.

Two analyses measure the same metrics. One runs in the background through all steps, as an alarm: it aborts a bad
canary in the middle of a long pause. Argo Rollouts ends it as successful with the last step, whatever it has measured.
So each step ends with a second analysis that takes a fixed number of measurements, and the next step does not start
before it is complete. Without data a measurement is inconclusive, and the rollout is paused.
https://argo-rollouts.readthedocs.io/en/stable/features/analysis/
"""

import math
from collections.abc import Sequence
from typing import Any

from vaiven.serving.common.errors import ServingError
from vaiven.serving.rollout.plan import Plan, Step

# A rate needs several samples, and Prometheus scrapes one per minute by default.
WINDOW_SECONDS, INTERVAL_SECONDS = 300, 60
WINDOW = f'{WINDOW_SECONDS // 60}m'
MEASUREMENTS = 5
# In the background: both fewer than the measurements of one step, so that the first step can exceed them.
MAX_FAILURES, MAX_WITHOUT_DATA = 2, MEASUREMENTS - 1
# At the end of a step: of five measurements, at least three must be good.
MAX_STEP_FAILURES = MAX_STEP_WITHOUT_DATA = 1
MIN_PAUSE_SECONDS = WINDOW_SECONDS + MEASUREMENTS * INTERVAL_SECONDS


def pause_seconds(step: Step) -> int:
    """Returns the pause of a step: that of the plan, but long enough for the background analysis to measure."""
    return max(math.ceil(step.minimum_seconds), MIN_PAUSE_SECONDS)


def lengthened(plan: Plan) -> list[int]:
    """Returns the numbers, from 1, of the steps whose pause is longer than in the plan."""
    return [number for number, step in enumerate(plan.steps, 1) if pause_seconds(step) > step.minimum_seconds]


def templates(plan: Plan, name: str, prometheus: str, arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the AnalysisTemplates `name`, for the background, and `name`-step, for the end of each step.

    Args:
        plan: its gates and the length of its last step are used.
        name: of the Rollout.
        prometheus: address of the Prometheus that scrapes the servers.
        arguments: names of the arguments with the hash of the new pods and of the stable pods.

    Raises:
        ServingError: both gates that a cluster can test are turned off.
    """
    queries = _queries(plan, name, *arguments)
    if not queries:
        raise ServingError(
            'a cluster can test error_rate and p99_ratio only, and the plan turns both off: set one of them'
        )
    background = {
        'initialDelay': WINDOW,
        'failureLimit': MAX_FAILURES,
        'inconclusiveLimit': MAX_WITHOUT_DATA,
    }
    closing = {
        'count': MEASUREMENTS,
        'failureLimit': MAX_STEP_FAILURES,
        'inconclusiveLimit': MAX_STEP_WITHOUT_DATA,
    }
    return [
        {
            'apiVersion': 'argoproj.io/v1alpha1',
            'kind': 'AnalysisTemplate',
            'metadata': {'name': template},
            'spec': {
                'args': [{'name': argument} for argument in arguments],
                'metrics': [
                    {
                        'name': gate,
                        'interval': f'{INTERVAL_SECONDS // 60}m',
                        **timing,
                        # NaN satisfies neither condition, so that the measurement is inconclusive.
                        'successCondition': f'len(result) > 0 && result[0] <= {limit:g}',
                        'failureCondition': f'len(result) > 0 && result[0] > {limit:g}',
                        'provider': {'prometheus': {'address': prometheus, 'query': query}},
                    }
                    for gate, (limit, query) in queries.items()
                ],
            },
        }
        for template, timing in ((name, background), (f'{name}-step', closing))
    ]


def _queries(plan: Plan, name: str, new: str, stable: str) -> dict[str, tuple[float, str]]:
    """Returns the limit and the query of each gate, on the metrics of TensorFlow Serving, canary against stable."""
    # In the last step the stable pods get no requests. Their window is longer than that step, so that it contains
    # requests from the steps before.
    last = pause_seconds(plan.steps[-1]) + MEASUREMENTS * INTERVAL_SECONDS
    stable_minutes = math.ceil((last + 2 * WINDOW_SECONDS) / 60)
    sides = ((new, WINDOW), (stable, f'{stable_minutes}m'))

    def of(argument: str, more: str = '') -> str:
        return f'model_name="{plan.model}",pod=~"{name}-{{{{args.{argument}}}}}-.*"{more}'

    def errors(argument: str, window: str) -> str:
        count = ':tensorflow:serving:request_count'
        failed, every = of(argument, ',status!="OK"'), of(argument)
        return f'(sum(rate({count}{{{failed}}}[{window}])) or vector(0)) / sum(rate({count}{{{every}}}[{window}]))'

    def p99(argument: str, window: str) -> str:
        buckets = f':tensorflow:serving:request_latency_bucket{{{of(argument)}}}'
        return f'histogram_quantile(0.99, sum by (le) (rate({buckets}[{window}])))'

    gates = {
        'error-rate': (plan.gates.error_rate, ' - '.join(f'({errors(*side)})' for side in sides)),
        'p99-ratio': (plan.gates.p99_ratio, ' / '.join(p99(*side) for side in sides)),
    }
    return {gate: (limit, query) for gate, (limit, query) in gates.items() if limit is not None}
