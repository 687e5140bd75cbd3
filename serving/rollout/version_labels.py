"""The labels of the versions that are compared, from their files or from the running models."""

import dataclasses
from pathlib import Path

from vaiven.serving.client import Client, DeadlineError, UnavailableError
from vaiven.serving.common import model_labels
from vaiven.serving.common.errors import ServingError
from vaiven.serving.common.model_labels import UNKNOWN, ModelLabels
from vaiven.serving.rollout.request_tables import TEXT


def compared_labels(client: Client, model: str, base_path: Path | None, old: int, new: int) -> ModelLabels:
    """Returns how the rows of a table are labelled: with the labels of the new version.

    Classes that only the old version has are read too: the new version is wrong on their rows.

    Args:
        client: a client of the server.
        model: name of the model.
        base_path: folder with the versions; None if it is unknown. It may be that of another run than the server's.
        old: the version to compare with.
        new: the version to test, which need not be loaded yet.

    Raises:
        RequestError: the server is away, and the new version has no files on this machine.
    """
    pushed = None if base_path is None else model_labels.of_model(base_path / str(new))
    try:
        served, served_before = (served_labels(client, model, version) for version in (new, old))
    except (UnavailableError, DeadlineError):
        # A rollout that is resumed waits for a server that is away; without files nobody else says the classes.
        if pushed is None:
            raise
        return pushed
    labels = served
    # The files also have the spellings of sentiment and the separator, which the running model does not say. They may
    # be those of another model than the server's.
    if pushed is not None and (served is None or served.spec.classes == pushed.spec.classes):
        labels = pushed
    if labels is None and served_before is not None:
        labels = dataclasses.replace(served_before, is_open=True)
    labels = labels or UNKNOWN
    return labels if served_before is None else labels.with_classes(served_before.spec.classes)


def served_labels(client: Client, model: str, version: int) -> ModelLabels | None:
    """Returns the labels of a running version; None if it is not loaded, or not a classifier of this package.

    Args:
        client: a client of the server.
        model: name of the model.
        version: the version.

    Raises:
        UnavailableError: the server is away.
        DeadlineError: it does not answer in time.
    """
    try:
        return ModelLabels.from_outputs(client.predict(model, {TEXT: ['']}, version=version))
    except (UnavailableError, DeadlineError):
        raise
    except ServingError:
        return None
