"""Configuration of the data: columns, labels and splits."""

import dataclasses
import math
import typing

from vaiven.configuration import require
from vaiven.label_spec import MAX_CLASSES, SENTIMENT, LabelSpec
from vaiven.serving.common import labels
from vaiven.serving.common.labels import label_key
from vaiven.serving.common.tables.encodings import ENCODING_RULE, known_encoding

# What a label says in the data of a sentiment model.
LabelSense = typing.Literal['negative', 'positive', 'unlabelled']
Kind = typing.Literal['auto', 'binary', 'multiclass', 'ordinal', 'multilabel']

# Characters of the name of a class; a longer label is a text.
MAX_NAME_LENGTH = 100
# Largest row that one request of the serving API can still carry together with a few others.
_MAX_ROW_BYTES = 16 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Columns and labels of the data, and sizes of the splits.

    Attributes:
        text_column: name of the column with the text.
        label_column: name of the column with the label. An empty field, null or NaN is an unlabelled row, whatever
            else is set. With None, no row has a label, and all rows are split as labelled rows are.
        group_column: name of a column; rows of one group (a film, an author) are always in the same split.
        language_column: name of a column that is copied to the examples, so that the evaluation can be sliced by it.
        rating_column: name of a column with numbers that say how positive the text is; empty for none. It may be the
            label column.
        rating_range: the lowest and the highest rating; they are scaled to -1 and 1.
        columns: names of the columns of csv and tsv files without a header, from the left.
        encoding: text encoding of the files, by its Python name; None for UTF-8.
        delimiter: separates the fields; by default a tab in `.tsv` files and a comma in `.csv` files.
        label_kind: kind of the labels. `auto`: found in the data. `binary`: two classes. `multiclass`: one of several
            classes. `ordinal`: one of several classes that have an order, such as stars. `multilabel`: any number of
            classes in each row.
        classes: names of the classes in their order, which for `ordinal` is from the lowest to the highest; empty:
            found in the data. With two classes, the second is the positive one.
        label_separator: divides the labels of a row in the kind `multilabel`, as in `a|b`. Lists need none.
        probabilities_column: name of a column with the probabilities that another model gave the classes, as a list in
            the order of `classes`, an object by class, or for two classes the probability of the positive one. The
            model is trained towards them; the label stays what it is evaluated with.
        split_column: name of a column that says which split a row is in: train, eval (also validation, dev) or test.
        time_column: name of a column with dates (ISO 8601) or numbers by which the rows are split: the model is trained
            on the earliest rows and tested on the latest. Rows of one time are in one split.
        time_boundaries: the first times of eval and of test, in seconds since 1970 for dates; empty: found in the data,
            by the sizes of the splits.
        negative_labels: labels of the negative class. Case is ignored, and numbers compare as numbers: 1, 1.0 and +1
            are one label.
        positive_labels: labels of the positive class.
        unlabelled_labels: labels of rows that belong to neither class, such as three stars of five. If set, they take
            precedence over the default labels of the two classes. Rows without a class are used as text only.
        min_class_rows: a class that is found in the data is left out if it has fewer different texts; its rows are used
            as text only.
        passage_characters: running text is split into passages of as many whole paragraphs as fit in this length.
        max_row_bytes: a longer row is refused: most probably a quotation mark is not closed.
        min_rows: minimum number of rows (or passages) after duplicates are removed.
        train_buckets: size of the split `train` relative to the other splits.
        eval_buckets: size of the split `eval`.
        test_buckets: size of the split `test`.
    """

    text_column: str = 'text'
    label_column: str | None = 'label'
    group_column: str | None = None
    language_column: str | None = None
    rating_column: str | None = None
    rating_range: tuple[float, ...] = (-1.0, 1.0)
    label_kind: Kind = 'auto'
    classes: tuple[str, ...] = ()
    label_separator: str = '|'
    probabilities_column: str | None = None
    split_column: str | None = None
    time_column: str | None = None
    time_boundaries: tuple[float, ...] = ()
    columns: tuple[str, ...] = ()
    encoding: str | None = None
    delimiter: str | None = None
    negative_labels: tuple[str, ...] = labels.NEGATIVE
    positive_labels: tuple[str, ...] = labels.POSITIVE
    unlabelled_labels: tuple[str, ...] = labels.UNLABELLED
    min_class_rows: int = 1
    passage_characters: int = 2000
    max_row_bytes: int = 262_144
    min_rows: int = 20
    train_buckets: int = 8
    eval_buckets: int = 1
    test_buckets: int = 1

    def __post_init__(self) -> None:
        for name in ('text_column', 'label_column'):
            require(getattr(self, name) != '', f'data.{name} must name a column', getattr(self, name))
        # A column of stars may be label and rating.
        named = [column for part, column in self.named_columns().items() if part != 'rating']
        if self.rating_column is not None and self.rating_column != self.label_column:
            named.append(self.rating_column)
        require(
            len(named) == len(set(named)),
            'data: text, label, group, language, rating, probabilities, split and time must be different columns; '
            'only label and rating may be the same',
            named,
        )
        require(
            len(self.rating_range) == 2
            and -math.inf < self.rating_range[0] < self.rating_range[1] < math.inf,
            'data.rating_range must be two numbers, the lowest rating and the highest, as in 1,5',
            self.rating_range,
        )
        require(
            self.delimiter is None or (len(self.delimiter) == 1 and self.delimiter not in '"\r\n'),
            'data.delimiter must be one character, not a quotation mark or a line break',
            self.delimiter,
        )
        require(
            self.encoding is None or known_encoding(self.encoding),
            f'data.encoding {ENCODING_RULE}',
            self.encoding,
        )
        self._require_labels()
        self._require_classes()
        require(
            self.split_column is None or self.time_column is None,
            'data.split_column and data.time_column exclude each other; set one of them to null',
            [self.split_column, self.time_column],
        )
        require(
            len(self.time_boundaries) in (0, 2)
            and list(self.time_boundaries) == sorted(set(self.time_boundaries)),
            'data.time_boundaries must be two increasing times, the first of eval and the first of test',
            self.time_boundaries,
        )
        require(self.min_class_rows >= 1, 'data.min_class_rows must be at least 1', self.min_class_rows)
        require(
            64 <= self.passage_characters <= _MAX_ROW_BYTES // 4,
            f'data.passage_characters must lie between 64 and {_MAX_ROW_BYTES // 4}',
            self.passage_characters,
        )
        require(
            64 <= self.max_row_bytes <= _MAX_ROW_BYTES,
            f'data.max_row_bytes must lie between 64 and {_MAX_ROW_BYTES}',
            self.max_row_bytes,
        )
        require(self.min_rows >= 2, 'data.min_rows must be at least 2', self.min_rows)
        for name, buckets in self.buckets().items():
            require(1 <= buckets <= 1000, f'data.{name}_buckets must lie between 1 and 1000', buckets)

    def named_columns(self) -> dict[str, str]:
        """Part of a row (`text`, `label`, …) → name of its column."""
        parts = ('text', 'label', 'group', 'language', 'rating', 'probabilities', 'split', 'time')
        named = {part: getattr(self, f'{part}_column') for part in parts}
        return {part: column for part, column in named.items() if column is not None}

    def labels_of(self, kind: LabelSense) -> frozenset[str]:
        """The keys (`label_key`) of the labels of a kind.

        Args:
            kind: negative, positive or unlabelled.
        """
        return frozenset(map(label_key, getattr(self, f'{kind}_labels')))

    def is_set(self, kind: LabelSense) -> bool:
        """Whether the labels of a kind differ from the defaults.

        Args:
            kind: negative, positive or unlabelled.
        """
        default = next(field for field in dataclasses.fields(self) if field.name == f'{kind}_labels').default
        return bool(getattr(self, f'{kind}_labels') != default)

    def is_sentiment(self) -> bool:
        """Whether `negative_labels` and `positive_labels` say what a label means: also before the kind is known."""
        return self.label_kind in ('auto', 'binary') and self.classes in ((), SENTIMENT)

    def finds_classes(self) -> bool:
        """Whether kind or classes of the labels are to be found in the data."""
        if self.label_column is None or self.is_set('negative') or self.is_set('positive'):
            return False
        return self.label_kind == 'auto' or not self.classes

    def label_classes(self) -> dict[str, int | None]:
        """Key of each label → index of its class; None: unlabelled.

        Labels that were set take precedence over the defaults. Empty labels are always unlabelled.
        """
        classes: dict[str, int | None] = dict.fromkeys(labels.MISSING)
        if not self.is_sentiment():
            named = labels.class_indices(self.classes)
            unlabelled = dict.fromkeys(self.labels_of('unlabelled'))
            return classes | (named | unlabelled if self.is_set('unlabelled') else unlabelled | named)
        kinds: tuple[tuple[LabelSense, int | None], ...] = (
            ('unlabelled', None),
            ('negative', 0),
            ('positive', 1),
        )
        for kind, value in sorted(kinds, key=lambda item: self.is_set(item[0])):
            classes |= dict.fromkeys(self.labels_of(kind), value)
        return classes

    def _require_labels(self) -> None:
        for kind in typing.get_args(LabelSense)[:2]:
            setting, keys = f'data.{kind}_labels', self.labels_of(kind)
            require(bool(keys), f'{setting} must name a label', getattr(self, f'{kind}_labels'))
            require(
                '' not in keys,
                f'{setting}: an empty label is always unlabelled',
                getattr(self, f'{kind}_labels'),
            )
        both = self.labels_of('negative') & self.labels_of('positive')
        require(
            not both,
            'data: a label cannot be negative and positive; set both data.negative_labels and data.positive_labels',
            sorted(both),
        )
        if self.is_set('unlabelled'):
            for kind in typing.get_args(LabelSense)[:2]:
                both = (
                    self.labels_of(kind) & self.labels_of('unlabelled') if self.is_set(kind) else frozenset()
                )
                require(not both, f'data: a label cannot be {kind} and unlabelled', sorted(both))

    def _require_classes(self) -> None:
        names = [label_key(name) for name in self.classes]
        require(
            len(set(names)) == len(names) and not set(names) & set(labels.MISSING),
            'data.classes must be different names, none of them empty',
            self.classes,
        )
        long = [name for name in self.classes if len(name) > MAX_NAME_LENGTH]
        require(not long, f'the names in data.classes must have at most {MAX_NAME_LENGTH} characters', long)
        require(
            self.is_sentiment() or not (self.is_set('negative') or self.is_set('positive')),
            'data.negative_labels and data.positive_labels are for the classes negative and positive; '
            'leave them out, or data.label_kind and data.classes',
            [self.label_kind, self.classes],
        )
        if self.is_set('unlabelled'):
            both = sorted(set(names) & self.labels_of('unlabelled'))
            require(not both, 'data: a label cannot be one of data.classes and unlabelled', both)
        require(
            not names or 2 <= len(names) <= MAX_CLASSES,
            f'data.classes must be 2 to {MAX_CLASSES} names',
            len(names),
        )
        require(
            not names or self.label_kind != 'binary' or len(names) == 2,
            'data.label_kind=binary needs two data.classes',
            self.classes,
        )
        require(
            len(self.label_separator) == 1 and not self.label_separator.isalnum(),
            'data.label_separator must be one character, not a letter or a digit',
            self.label_separator,
        )

    def label_spec(self) -> LabelSpec:
        """The labels of the model; those of sentiment before the kind is known."""
        return LabelSpec.from_config({'data': dataclasses.asdict(self)})

    def buckets(self) -> dict[str, int]:
        """Split → its size in buckets."""
        return {'train': self.train_buckets, 'eval': self.eval_buckets, 'test': self.test_buckets}
