"""Names of the splits and features that TextExampleGen writes."""

import dataclasses
from collections.abc import Mapping

from vaiven.components.text_example_gen.rows import SPLITS, TEACHER_SPLIT
from vaiven.configuration import require

FEATURES = ('text', 'label', 'group', 'language', 'rating', 'position', 'probabilities')


@dataclasses.dataclass(frozen=True)
class OutputNames:
    """Other names for the splits and features of the examples.

    Attributes:
        splits: default name of a split → name to write. Splits that are not named keep their default name.
        features: default name of a feature → name to write.

    Raises:
        ConfigError: if a default name is unknown, or two splits or two features get the same name.
    """

    splits: Mapping[str, str] = dataclasses.field(default_factory=dict)
    features: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for parameter, names, defaults in (
            ('split_names', self.splits, (*SPLITS, TEACHER_SPLIT)),
            ('feature_names', self.features, FEATURES),
        ):
            require(
                set(names) <= set(defaults),
                f'TextExampleGen: the keys of {parameter} must be among {", ".join(defaults)}',
                dict(names),
            )
            written = [names.get(default, default) for default in defaults]
            require(
                all(written) and len(set(written)) == len(written),
                f'TextExampleGen: {parameter} must give different names, none of them empty',
                dict(names),
            )

    def split(self, default: str) -> str:
        """Name of a split, by its default name."""
        return self.splits.get(default, default)

    def feature(self, default: str) -> str:
        """Name of a feature, by its default name."""
        return self.features.get(default, default)
