"""TFX components for text: ingestion, vocabulary, evaluation, serving check and push.

The components can be imported from here: `from vaiven.components import Vocabulary`. Each is loaded on first use, so
that importing this package does not import TFX.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaiven.components.evaluation.component import PairedEvaluator
    from vaiven.components.language_evaluation.component import LanguageEvaluator
    from vaiven.components.linear_baseline.component import LinearBaseline
    from vaiven.components.pusher.component import AtomicPusher
    from vaiven.components.serving_check.component import ServingCheck
    from vaiven.components.text_example_gen.component import TextExampleGen
    from vaiven.components.transform.component import TextTransform
    from vaiven.components.vocabulary.component import Vocabulary

_MODULES = {
    'AtomicPusher': 'pusher',
    'LanguageEvaluator': 'language_evaluation',
    'LinearBaseline': 'linear_baseline',
    'PairedEvaluator': 'evaluation',
    'ServingCheck': 'serving_check',
    'TextExampleGen': 'text_example_gen',
    'TextTransform': 'transform',
    'Vocabulary': 'vocabulary',
}

__all__ = [
    'AtomicPusher',
    'LanguageEvaluator',
    'LinearBaseline',
    'PairedEvaluator',
    'ServingCheck',
    'TextExampleGen',
    'TextTransform',
    'Vocabulary',
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(f'{__name__}.{_MODULES[name]}.component'), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
