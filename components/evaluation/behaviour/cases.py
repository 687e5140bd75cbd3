"""The sentences of the behavioural tests: those of this package, and those of the user."""

import dataclasses
from pathlib import Path

from vaiven.errors import UserError
from vaiven.serving.common.model_labels import ModelLabels, joined
from vaiven.serving.common.tables.blocks import Blocks, open_path
from vaiven.serving.common.tables.names import TABLES, split_name
from vaiven.serving.common.tables.notes import Notes
from vaiven.serving.common.tables.options import Options
from vaiven.serving.common.tables.reading import table_rows

# They travel inside the graph of the pipeline.
MAX_CASES = 5_000
_COLUMNS = {name: name for name in ('test', 'text', 'label', 'variant')}


@dataclasses.dataclass(frozen=True)
class Case:
    """One sentence with what is expected of a model.

    Only `label`: it is predicted (minimum functionality). Only `variant`: the prediction is that of `text`
    (invariance). Both: `label` is as probable for `variant` as for `text`, or more (directional expectation).

    Attributes:
        test: name of the test, such as `negation`.
        text: the sentence.
        label: a class; several of them as a row of multilabel data has them; None for invariance.
        variant: a changed form of the sentence; None for minimum functionality.
    """

    test: str
    text: str
    label: str | None = None
    variant: str | None = None


def built_in_cases(language: str) -> list[Case]:
    """The sentences of this package for a model of sentiment.

    Args:
        language: `en` or `es`.
    """
    return _read(str(Path(__file__).with_name(f'{language}.csv')))


def read_cases(path: str, labels: ModelLabels) -> list[Case]:
    """Reads a table with the columns `test`, `text`, `label` and `variant`; it may lack one of the last two.

    Args:
        path: of the table, in any format that data may have.
        labels: of the model.

    Raises:
        UserError: the file cannot be read, a row has neither `label` nor `variant`, or a label is not one of the
            model's.
    """
    if split_name(path)[0] not in TABLES:
        raise UserError(f'evaluation.behaviour_file must be a {", ".join(TABLES)} file. Received: {path}')
    cases = _read(path, labels)
    if not cases:
        raise UserError(f'{path}: a file of behavioural tests must have at least one row. Received: none')
    return cases


def _read(path: str, labels: ModelLabels | None = None) -> list[Case]:
    cases: list[Case] = []
    options = Options(_COLUMNS, optional=frozenset({'label', 'variant'}))
    with Blocks(open_path(path), path, path) as blocks:
        for record in table_rows(blocks, split_name(path)[0], options, Notes()):
            if record is None:  # the input pauses
                continue
            fields = {name: (record.fields.get(name) or '').strip() for name in _COLUMNS}
            if not fields['test'] or not (fields['label'] or fields['variant']):
                raise UserError(
                    f'{record.where}: a behavioural test needs test, text, and label or variant. Received: {fields}'
                )
            if len(cases) == MAX_CASES:
                raise UserError(
                    f'{record.where}: a file of behavioural tests has at most {MAX_CASES:,} rows; remove the others'
                )
            label = fields['label'] or None
            if label and labels:
                label = _label(label, labels, record.where)
            # Spaces at the ends of a text may be what is tested.
            texts = record.fields.get('text') or '', record.fields.get('variant') or None
            cases.append(Case(fields['test'], texts[0], label, texts[1]))
    return cases


def _label(label: str, labels: ModelLabels, where: str) -> str:
    meaning = labels.read(label, where)
    if meaning is None:
        raise UserError(
            f'{where}: the label of a behavioural test must be a class of the model, or empty. Received: {label!r}'
        )
    return meaning if isinstance(meaning, str) else joined(sorted(meaning))
