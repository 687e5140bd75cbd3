"""The version of each call of `Vaiven` and `AsyncVaiven`: a fixed one, or one that a traffic split selects."""

import random
from typing import Any

from vaiven.serving.client.errors import NotFoundError, RequestError
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.split import SplitFile


class VersionSelector:
    """Selects version and label of each call, and checks the sizes of batches."""

    def __init__(
        self,
        model: str,
        version: int | None,
        label: str | None,
        split: SplitFile | None,
        batch_rows: int,
        parallel: int,
    ) -> None:
        """
        Args:
            model: name of the model.
            version: version of every call; None for the one that `label` names, or for the newest.
            label: version label of every call; not together with `version`.
            split: traffic split that selects the label of each call instead; None for none.
            batch_rows: number of texts in one request.
            parallel: number of requests in flight.

        Raises:
            ServingError: `batch_rows` or `parallel` is below 1, or a split is combined with a version or a label.
        """
        for name, value in (('batch_rows', batch_rows), ('parallel', parallel)):
            if value < 1:
                raise ServingError(f'{name} must be at least 1. Received: {value}')
        if split is not None and (version is not None or label is not None):
            raise ServingError('a split selects the label: omit version and label')
        self.model = model
        self.batch_rows = batch_rows
        self.parallel = parallel
        self._fixed = {'version': version, 'label': label}
        self._split = split

    def select(self, key: str | None) -> dict[str, Any]:
        """Version and label of one call. Raises ServingError for a key without a split."""
        if self._split is None:
            if key is not None:
                raise ServingError(f'a key needs a traffic split: give split=. Received: {key!r}')
            return self._fixed
        split = self._split.now()
        return {'label': split.label_at(100 * random.random()) if key is None else split.label_of(key)}

    def reselect(self, error: RequestError, selected: dict[str, Any], key: str | None) -> dict[str, Any]:
        """Version and label after a rollout removed the label of `selected` during a long call.

        Args:
            error: the error of the request.
            selected: the result of `select` for it.
            key: key of the caller; None for none.

        Raises:
            RequestError: `error`, if the request failed for another reason.
        """
        gone = isinstance(error, NotFoundError) or 'version label' in error.details
        if not gone or self._split is None or self._split.now().weights.get(selected['label']):
            raise error
        return self.select(key)
