"""Sends the rows of `vaiven evaluate` to one or two models and collects their answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vaiven.serving.commands.evaluate_data import LabelledText, label_array
from vaiven.serving.commands.evaluate_model import EvaluatedModel, in_order
from vaiven.serving.commands.keep_columns import cell
from vaiven.serving.evaluation.evaluation import Evaluation, Evaluator, Predictions, Row


class Collector:
    """The predictions of a model, and of the model that it is compared with.

    Attributes:
        rows: number of labelled rows so far.
    """

    def __init__(
        self,
        model: EvaluatedModel,
        reference: EvaluatedModel | None,
        places: Sequence[int] | None,
        columns: Sequence[str],
        max_listed: int,
    ) -> None:
        """
        Args:
            model: the model.
            reference: the model that it is compared with; None for none.
            places: of the classes of `model` among those of `reference`.
            columns: names of the columns to slice by.
            max_listed: how many mistakes and changes to keep.
        """
        self._model, self._reference, self._places = model, reference, places
        self._columns = tuple(dict.fromkeys(columns))
        self._evaluator = Evaluator(model.spec, self._columns, max_listed)
        self.rows = 0

    def predict(self, texts: Sequence[str]) -> tuple[Predictions, Predictions | None]:
        """The answers of both models; called from several threads."""
        answer = self._model.predict(texts)
        if self._reference is None or self._places is None:
            return answer, None
        return answer, in_order(self._reference.predict(texts), self._places)

    def add(self, texts: Sequence[LabelledText], answer: Predictions, reference: Predictions | None) -> None:
        """Adds the labelled rows of a batch."""
        labelled = [place for place, text in enumerate(texts) if text.label is not None]
        if not labelled:
            return
        self.rows += len(labelled)
        chosen = np.array(labelled)
        rows = [self._row(texts[place]) for place in labelled]
        labels = label_array([texts[place].label or '' for place in labelled], self._model.spec)
        self._evaluator.add(
            rows, labels, answer.select(chosen), None if reference is None else reference.select(chosen)
        )

    def result(self) -> Evaluation:
        """The evaluation of all rows."""
        return self._evaluator.result()

    def _row(self, text: LabelledText) -> Row:
        return Row(text.where, str(text), tuple(cell(text.kept.get(name)).strip() for name in self._columns))
