"""Selects the label of each request from the split files of the models and the key of the request."""

import random
from collections.abc import Iterable
from typing import NamedTuple

from vaiven.serving.common.split import Split, SplitFile

OTHER = 'other'


class Route(NamedTuple):
    """The routing decision for a request.

    Attributes:
        model: its model if that has a split, otherwise `OTHER`, so callers cannot create metric series.
        label: the label to add; '' if the request is forwarded unchanged.
    """

    model: str
    label: str


UNSPLIT = Route(OTHER, '')


class Router:
    """The watched splits, one file per model."""

    def __init__(self, files: Iterable[SplitFile]) -> None:
        """`files` has one file per model; a model without a file on disk, or not listed, is not split."""
        self._files = {file.model.encode(): file for file in files}

    def choose(self, model: bytes, names_version: bool, key: str | bytes | None) -> Route:
        """Selects the label of one request.

        Args:
            model: the name in the request, UTF-8.
            names_version: whether the caller has set a version or label.
            key: requests with the same key get the same label; None or empty selects at random by the weights.
        """
        file = self._files.get(model)
        if file is None:
            return UNSPLIT
        if names_version or (split := file.found()) is None:
            return Route(file.model, '')
        return Route(file.model, split.label_of(key) if key else split.label_at(100.0 * random.random()))

    def splits(self) -> dict[str, Split | None]:
        """Returns the current split of each model; None if its file does not exist."""
        return {file.model: file.found() for file in self._files.values()}
