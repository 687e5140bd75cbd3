"""Runs behavioural tests on a model, and counts which of them pass."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vaiven.components.evaluation.behaviour.cases import Case
from vaiven.label_spec import MULTILABEL_THRESHOLD, LabelSpec
from vaiven.serving.common.model_labels import divided, joined

# A smaller change of a probability is no change, as in the tests of the CheckList paper.
TOLERANCE = 0.1
_MAX_SHOWN_CHARACTERS = 60


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The results of one test.

    Attributes:
        test: its name.
        passed: number of sentences that pass.
        total: number of sentences.
        mean_change: mean absolute change of the most changed probability between text and variant; None without
            invariance tests.
        failures: `text`, `variant`, `label` (expected), `predicted` (for the variant, if there is one) and `change` of
            each sentence that fails; None for what a sentence does not have.
    """

    test: str
    passed: int
    total: int
    mean_change: float | None
    failures: tuple[Mapping[str, Any], ...]


@dataclasses.dataclass(frozen=True)
class BehaviourResults:
    """The results of all tests.

    Attributes:
        tests: the results by test, in the order of the tests.
    """

    tests: tuple[Outcome, ...]

    @property
    def score(self) -> float:
        """Mean share of passed sentences over the tests, 0 to 1: every test counts the same."""
        return float(np.mean([one.passed / one.total for one in self.tests])) if self.tests else 1.0

    def to_json(self) -> str:
        """The results as JSON: `score` and `tests`."""
        values = {'score': self.score, 'tests': [dataclasses.asdict(one) for one in self.tests]}
        return json.dumps(values, ensure_ascii=False, indent=2)

    def refusal(self, min_score: float | None) -> str:
        """Why a model is not blessed; empty if the score is not below the bound.

        Args:
            min_score: the bound, 0 to 1; None for none.
        """
        if min_score is None or self.score >= min_score:
            return ''
        worst = min(self.tests, key=lambda one: one.passed / one.total)
        return (
            f'behavioural tests: {self.score:.1%} passed, mean of {len(self.tests)} tests, is below '
            f'evaluation.min_behaviour={min_score:g}; the worst is {worst.test}: {worst.passed} of {worst.total}'
        )


def run_cases(
    cases: Sequence[Case], predict: Callable[[list[str]], np.ndarray], spec: LabelSpec
) -> BehaviourResults:
    """Predicts all sentences and checks the expectations.

    Args:
        cases: the sentences.
        predict: the probabilities of the classes in the order of `spec`, of texts (n) to float (n, k).
        spec: kind and classes of the model.
    """
    texts = sorted({text for case in cases for text in (case.text, case.variant) if text is not None})
    rows = dict(zip(texts, predict(texts), strict=True)) if texts else {}
    outcomes: dict[str, list[tuple[Case, bool, str, float | None]]] = {}
    for case in cases:
        outcomes.setdefault(case.test, []).append((case, *_check(case, rows, spec)))
    return BehaviourResults(tuple(_result(test, found) for test, found in outcomes.items()))


def describe(behaviour: Mapping[str, Any]) -> list[str]:
    """The results in at most three lines.

    Args:
        behaviour: as `BehaviourResults.to_json` has it.
    """
    tests = behaviour['tests']
    if not tests:
        return []
    passed, total = (sum(one[key] for one in tests) for key in ('passed', 'total'))
    by_test = ', '.join(f'{one["test"]} {one["passed"]}/{one["total"]}' for one in tests)
    lines = [f'behavioural tests passed: {passed} of {total}', f'  {by_test}']
    failing = [one for one in tests if one['failures']]
    if failing:
        worst = min(failing, key=lambda one: one['passed'] / one['total'])
        first = worst['failures'][0]
        before = '' if first['variant'] is None else f'{_shorten(first["text"])} → '
        sentence = first['text'] if first['variant'] is None else first['variant']
        lines.append(f'  {worst["test"]}, for example: {before}{_shorten(sentence)}: {first["predicted"]}')
    return lines


def _check(case: Case, rows: Mapping[str, np.ndarray], spec: LabelSpec) -> tuple[bool, str, float | None]:
    """Whether a sentence passes, what is predicted for it or its variant, and the change between the two."""
    before = rows[case.text]  # (k)
    label = _predicted(before, spec)
    if case.variant is None:
        return label == case.label, label, None
    after = rows[case.variant]
    changed_label = _predicted(after, spec)
    if case.label is None:
        change = float(np.abs(after - before).max())
        return changed_label == label or change <= TOLERANCE, changed_label, change
    names = divided(case.label) if spec.kind == 'multilabel' else [case.label]
    expected = [number for number, name in enumerate(spec.classes) if name in names]
    rise = float((after - before)[expected].min())
    return rise >= -TOLERANCE, changed_label, rise


def _predicted(probabilities: np.ndarray, spec: LabelSpec) -> str:
    if spec.kind != 'multilabel':
        return spec.classes[int(probabilities.argmax())]
    return joined(
        sorted(spec.classes[index] for index in np.flatnonzero(probabilities >= MULTILABEL_THRESHOLD))
    )


def _result(test: str, outcomes: Sequence[tuple[Case, bool, str, float | None]]) -> Outcome:
    changes = [change for case, _, _, change in outcomes if change is not None and case.label is None]
    failures = tuple(
        {
            'text': case.text,
            'variant': case.variant,
            'label': case.label,
            'predicted': predicted,
            'change': change,
        }
        for case, passes, predicted, change in outcomes
        if not passes
    )
    return Outcome(
        test,
        len(outcomes) - len(failures),
        len(outcomes),
        float(np.mean(changes)) if changes else None,
        failures,
    )


def _shorten(text: str) -> str:
    line = ' '.join(text.split())
    return f'«{line if len(line) <= _MAX_SHOWN_CHARACTERS else line[: _MAX_SHOWN_CHARACTERS - 1] + "…"}»'
