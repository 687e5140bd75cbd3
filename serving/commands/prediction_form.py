"""How `vaiven predict` writes predicted classes, which depends on the kind of the model's labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import click

from vaiven.label_spec import SENTIMENT
from vaiven.serving.commands.output_formats import Form
from vaiven.serving.commands.text_inputs import printable
from vaiven.serving.common import terminal
from vaiven.serving.common.errors import ServingError

if TYPE_CHECKING:
    from vaiven.serving.client import Classification

_OUTPUTS = ('label', 'score', 'probability', 'expected_value', 'labels')
_DISTRIBUTION = ('probabilities', 'classes')
_SENTIMENT_COLOURS = dict(zip(SENTIMENT, ('red', 'green'), strict=True))
# Without red and green, which stand for negative and positive.
_COLOURS = (
    'cyan',
    'yellow',
    'magenta',
    'blue',
    'bright_cyan',
    'bright_yellow',
    'bright_magenta',
    'bright_blue',
)
_NO_LABEL = '–'


@dataclass(frozen=True)
class PredictionForm:
    """How to write the predictions of one model.

    Attributes:
        model: name of the model, for errors.
        outputs: names of the outputs of its default signature.
        probabilities: whether to write the probability of every class.
        undecided: the label of texts whose score is too low; empty if every text gets a class.
    """

    model: str
    outputs: frozenset[str]
    probabilities: bool = False
    undecided: str = ''

    @property
    def has_two_classes(self) -> bool:
        """Whether the model has two classes, and outputs the probability of the second."""
        return 'probability' in self.outputs

    def requested_outputs(self, form: str | None) -> tuple[str, ...] | None:
        """Names of the outputs to request.

        Args:
            form: one of `output_formats.FORMS`; None for a terminal, whose columns are as wide as the longest class.

        Returns:
            The names; None for all outputs.
        """
        needs_classes = self.probabilities or form is None or (form == 'jsonl' and not self.has_two_classes)
        # Of a model of an earlier version, the client knows the classes if it gets all outputs. Without a label it is a
        # language model, which the client reports.
        if (needs_classes and 'classes' not in self.outputs) or 'label' not in self.outputs:
            return None
        names = (*_OUTPUTS, *_DISTRIBUTION) if needs_classes else _OUTPUTS
        return tuple(name for name in names if name in self.outputs)

    def form(self, classes: tuple[str, ...] = ()) -> Form[Classification]:
        """The form of the results.

        Args:
            classes: the classes that have a column in csv.

        Raises:
            ServingError: a class is named like another column.
        """
        score = 'probability' if self.has_two_classes else 'score'
        columns = 'label', score, *self._expected_value, 'text'
        if duplicates := [name for name in classes if name in columns]:
            raise ServingError(
                f'model {self.model!r} has a class named {duplicates[0]!r}, as another column of csv: write jsonl '
                '(--to jsonl), or leave out --probabilities'
            )

        def csv_rows(result: Classification, number: int) -> Iterator[Sequence[str]]:
            if classes and result.classes != classes:
                raise ServingError(
                    f'the classes of model {self.model!r} changed while the command was running: start it again'
                )
            probabilities = result.probabilities if classes else ()
            yield (
                _label_text(result),
                f'{result.probabilities[1] if self.has_two_classes else result.score:.6f}',
                *(f'{result.expected_value:.6f}' for _ in self._expected_value),
                result.text,
                *(f'{probability:.6f}' for probability in probabilities),
            )

        return Form(
            columns=(*columns, *classes),
            rows=csv_rows,
            values=lambda result, number: self._values(result),
            terminal_lines=lambda result, number: self._terminal_lines(result),
            text_rows=lambda result, number: ((_label_text(result), f'{result.score:.6f}', result.text),),
            text_columns=('label', score, 'text'),
            keys=self._keys,
        )

    @property
    def _keys(self) -> tuple[str, ...]:
        """Keys of a jsonl object, which `_values` makes."""
        if self.has_two_classes:
            return 'text', 'label', 'probability', *(('probabilities',) if self.probabilities else ())
        return 'text', 'label', 'score', *self._expected_value, 'probabilities'

    @property
    def _expected_value(self) -> tuple[str, ...]:
        return ('expected_value',) if 'expected_value' in self.outputs else ()

    def _values(self, result: Classification) -> dict[str, Any]:
        """The jsonl object of a result. Training with a teacher reads the probabilities of such a file."""
        values: dict[str, Any] = {
            'text': result.text,
            'label': result.label if result.joined_labels is None else result.labels,
        }
        if self.has_two_classes:
            values['probability'] = result.probabilities[1]
        else:
            values['score'] = result.score
        if self._expected_value:
            values['expected_value'] = result.expected_value
        if 'probabilities' in self._keys:
            values['probabilities'] = dict(zip(result.classes, result.probabilities, strict=True))
        return values

    def _terminal_lines(self, result: Classification) -> Iterator[str]:
        """A line with the label, its score, the expected value of ordered classes, and the text."""
        names = (*result.classes, self.undecided)
        width = min(_width(names, 2 if 'labels' in self.outputs else 1), terminal.width() // 2)
        label = terminal.cut(printable(_label_text(result) or _NO_LABEL), width)
        numbers = f'{" " * (width - terminal.columns(label))}  {result.score:6.1%}  '
        if result.expected_value is not None:
            numbers += f'{result.expected_value:6.2f}  '
        colour = _colour(result)
        shown_label = terminal.isolated(label)
        if colour is not None:
            shown_label = click.style(shown_label, fg=colour)
        room = terminal.width() - terminal.columns(label) - len(numbers)
        yield shown_label + numbers + printable(result.text, room)


def _label_text(result: Classification) -> str:
    return result.label if result.joined_labels is None else result.joined_labels


@lru_cache
def _width(names: tuple[str, ...], count: int) -> int:
    """Columns of a terminal for `count` of the names, of which the longest counts, and the separators between them."""
    return count * max(terminal.columns(printable(name)) for name in names) + count - 1


def _colour(result: Classification) -> str | None:
    """The colour of a label, always the same one for a class of a model; None for texts without a class."""
    if result.label not in result.classes or result.joined_labels == '':
        return None
    if result.classes == SENTIMENT:
        return _SENTIMENT_COLOURS[result.label]
    return _COLOURS[result.classes.index(result.label) % len(_COLOURS)]
