"""Who gets which label: the split files of the models, and the key of each request."""

import random
from collections.abc import Iterable
from typing import NamedTuple

from vaiven.serving.common.split import Split, SplitFile

OTHER = 'other'


class Choice(NamedTuple):
    """What was decided about a request.

    Attributes:
        model: its model where that is split, or else `OTHER`: callers must not make metrics grow.
        label: the label that it gets; '' where it goes on as it came.
    """

    model: str
    label: str


ELSE = Choice(OTHER, '')


class Plan:
    """The splits that are followed, one file for each model."""

    def __init__(self, files: Iterable[SplitFile]) -> None:
        """With one file for each model; a model without a file there, or with none, is not split."""
        self._files = {each.model.encode(): each for each in files}

    def choose(self, model: bytes, chosen: bool, key: str | bytes | None) -> Choice:
        """The label of one request.

        Args:
            model: the name in the request, UTF-8.
            chosen: whether the caller says which version or label.
            key: whoever must stay on one side; None or empty for a place by chance.
        """
        file = self._files.get(model)
        if file is None:
            return ELSE
        if chosen or (split := file.found()) is None:
            return Choice(file.model, '')
        return Choice(file.model, split.label_of(key) if key else split.label_at(100.0 * random.random()))

    def splits(self) -> dict[str, Split | None]:
        """What the files say now; None: no file is there."""
        return {each.model: each.found() for each in self._files.values()}
