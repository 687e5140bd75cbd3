"""Scores texts without and with dynamic evaluation, with a model that is loaded in this process."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from vaiven.errors import UserError
from vaiven.models.export.restored_model import EncodedText, RestoredModel
from vaiven.models.language.config import AdaptationConfig
from vaiven.models.language.dynamic_evaluation import dynamic_log_probabilities, static_log_probabilities
from vaiven.serving.commands.score_form import ScoredText, Surprisal
from vaiven.serving.commands.text_inputs import printable
from vaiven.serving.common import terminal

# Of a text in an error.
_SHOWN_COLUMNS = 40


class UnreadableTextError(UserError):
    """The model cannot learn from a text."""


class DivergedError(UserError):
    """The steps were too large."""

    exit_status = 1


def adapted_scores(folder: Path, texts: Iterable[str], config: AdaptationConfig) -> Iterator[ScoredText]:
    """Scores texts in their order; the adapting model keeps what it has learned from text to text.

    Args:
        folder: of the SavedModel, which is only read.
        texts: read one by one.
        config: how the weights adapt.

    Yields:
        The score of each text.

    Raises:
        RestoreError: the folder holds no network of this package.
        UnreadableTextError: all texts are empty, or the model knows no token of a text.
        DivergedError: the adapted weights are no numbers any more.
    """
    model = RestoredModel(folder)
    counts = _Counts()
    encoded = (counts.add(text, model.encode(text)) for text in texts)
    shown, static, adapted = itertools.tee(encoded, 3)
    results = zip(
        shown,
        static_log_probabilities(model.network, (text.ids for _, text in static)),
        dynamic_log_probabilities(model.network, (text.ids for _, text in adapted), config),
        strict=True,
    )
    empty: list[ScoredText] = []  # held back until there is a text to learn from
    for (text, ids), *values in results:
        if not np.isfinite(values[1]).all():
            raise DivergedError(
                f'the adaptation diverged in text {counts.texts}: lower --learning-rate. '
                f'Received: {config.learning_rate:g}'
            )
        result = ScoredText(text, *(_surprisal(value, ids) for value in values))
        if counts.tokens:
            yield from (*empty, result)
            empty = []
        else:
            empty.append(result)
    if empty:
        raise UnreadableTextError('there is nothing to learn from: every text is empty')
    if counts.unknown:
        terminal.say(
            f'vaiven: {counts.unknown:,} of {counts.tokens:,} tokens are not in the vocabulary of the model; each is '
            'scored as [UNK]',
            err=True,
        )


class _Counts:
    """Counts texts, tokens and unknown tokens."""

    def __init__(self) -> None:
        self.texts = self.tokens = self.unknown = 0

    def add(self, text: str, encoded: EncodedText) -> tuple[str, EncodedText]:
        """Counts a text; returns the arguments."""
        self.texts += 1
        if encoded.tokens and not encoded.known:
            raise UnreadableTextError(
                f'a text must have characters or words that the model has seen. Received as text {self.texts}: '
                f'{printable(text, _SHOWN_COLUMNS)!r}'
            )
        self.tokens += encoded.tokens
        self.unknown += encoded.unknown
        return text, encoded


def _surprisal(log_probabilities: np.ndarray, text: EncodedText) -> Surprisal:
    nats = -float(log_probabilities.sum(dtype=np.float64))
    return Surprisal(nats, len(log_probabilities), text.characters + 1)
