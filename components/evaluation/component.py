"""The component that measures a classifier on held-out rows and blesses it or not."""

from tfx.components import Evaluator
from tfx.dsl.components.base import executor_spec

from vaiven.components.evaluation import executor


class PairedEvaluator(Evaluator):
    """TFX's Evaluator whose change threshold bounds the proven drop, see `Executor`; it goes by the name Evaluator."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)
