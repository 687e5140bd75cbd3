"""Parses the fields of a row."""

from collections.abc import Mapping

from vaiven.components.text_example_gen.column_counts import ColumnCounts
from vaiven.components.text_example_gen.config import DataConfig
from vaiven.components.text_example_gen.field_parsers import RatingParser, SplitParser, TimeParser
from vaiven.components.text_example_gen.label_parsers import LabelParser, LabelReader
from vaiven.components.text_example_gen.probabilities import ProbabilityParser
from vaiven.components.text_example_gen.rows import Row
from vaiven.serving.common.labels import MISSING, label_key, nfc

_RARE_PARTS = frozenset(('probabilities', 'split', 'time'))


class RowParser:
    """Parses the fields of a row into a `Row`, and counts the values of the columns.

    Args:
        config: names of the columns and the labels.
        counts: is updated; `label_check.require_labels` checks the labels in it.
        labels: parses labels; by default into the classes of the configuration.
        probabilities: parses probabilities; by default for these classes.
    """

    def __init__(
        self,
        config: DataConfig,
        counts: ColumnCounts,
        labels: LabelReader | None = None,
        probabilities: ProbabilityParser | None = None,
    ) -> None:
        self.counts = counts
        self._label = labels or LabelParser(config)
        self._rating = RatingParser(config)
        self._split, self._time = SplitParser(config.split_column), TimeParser(config.time_column)
        self._probabilities = probabilities or ProbabilityParser(
            config.probabilities_column, config.label_spec()
        )
        self._parts = tuple(part for part in config.named_columns() if part != 'text')
        # Most data has none of these, and is read a tenth faster without a look at them.
        self._has_rare_parts = not _RARE_PARTS.isdisjoint(self._parts)
        self._is_label_rating = config.rating_column == config.label_column
        # Stars that are label and rating are rated by the place of their class, once classes are known.
        self._class_ratings = class_ratings(config) if self._is_label_rating else None
        if self._class_ratings and labels is not None:
            self._class_ratings = ()

    def __call__(self, number: int, fields: Mapping[str, str | None], where: str) -> Row:
        """Parses a row.

        Args:
            number: of the row.
            fields: values by part (`text`, `label`, …); None for no value, absent if the row has no such key.
            where: file and line.

        Raises:
            DataError: if a field is not what its column must hold.
        """
        self.counts.add_fields(fields, self._parts)
        rating_field = fields.get('rating')
        if self._is_label_rating and label_key(rating_field or '') in MISSING:
            rating_field = None
        group, language = fields.get('group'), fields.get('language')
        text = nfc(fields['text'] or '')
        # A row without text is dropped; its label is not counted.
        label = self._label(fields.get('label') or '', where, self.counts) if text.strip() else None
        rating = None
        if self._class_ratings is not None:
            rating = self._class_ratings[label] if isinstance(label, int) and self._class_ratings else None
        elif rating_field is not None:
            rating = self._rating(rating_field, where)
        row = Row(
            number,
            text,
            label,
            group.strip() or None if group else None,
            language.strip() or None if language else None,
            rating,
        )
        return self._with_rare_parts(row, fields, where) if self._has_rare_parts else row

    def _with_rare_parts(self, row: Row, fields: Mapping[str, str | None], where: str) -> Row:
        probabilities, split, time = fields.get('probabilities'), fields.get('split'), fields.get('time')
        return row._replace(
            probabilities=self._probabilities(probabilities, where) if probabilities else None,
            split=self._split(split, where) if split else None,
            time=self._time(time, where) if time else None,
        )


def class_ratings(config: DataConfig) -> tuple[float, ...] | None:
    """The rating of each class of a column that is label and rating, from -1 to 1.

    Args:
        config: columns and labels.

    Returns:
        The ratings; () while the classes are not known; None if the ratings are scaled by `data.rating_range`, because
        the labels are those of sentiment.
    """
    if config.is_sentiment() and not config.finds_classes():
        return None
    if config.is_sentiment() or not config.classes:
        return ()
    values = config.label_spec().values
    return tuple(2 * (value - values[0]) / (values[-1] - values[0]) - 1 for value in values)
