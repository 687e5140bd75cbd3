"""The versions and labels of a model, as the server reports them; a rollout stores no copy."""

from dataclasses import dataclass, field

from vaiven.serving.client import Client, NotFoundError
from vaiven.serving.client.results import VersionStatus
from vaiven.serving.common.split import STABLE

CANARY = 'canary'
LABELS = (STABLE, CANARY)  # the API resolves a label but does not list labels, so only these two are known


@dataclass(frozen=True)
class ModelState:
    """Versions and labels of a model on its server.

    Attributes:
        versions: all versions that the server reports, newest first.
        labels: the version of each label in LABELS that names a loaded version.
    """

    versions: list[VersionStatus]
    labels: dict[str, int] = field(default_factory=dict)

    @property
    def available(self) -> list[int]:
        """Versions that are loaded and answer requests, newest first."""
        return [version.version for version in self.versions if version.available]

    @property
    def loading(self) -> list[int]:
        """Versions that are being loaded. A server that starts is ready as soon as one version of a model is."""
        return [
            version.version
            for version in self.versions
            if version.state in ('START', 'LOADING') and not version.error
        ]

    @property
    def stable(self) -> int | None:
        """The version with the label `stable`."""
        return self.labels.get(STABLE)

    @property
    def canary(self) -> int | None:
        """The version with the label `canary`."""
        return self.labels.get(CANARY)


def model_state(client: Client, model: str) -> ModelState:
    """Returns the versions and labels of a model.

    Raises:
        RequestError: the server does not answer, or does not serve the model.
    """
    versions = client.status(model)
    labels = {label: label_version(client, model, label) for label in LABELS}
    return ModelState(versions, {label: version for label, version in labels.items() if version is not None})


def label_version(client: Client, model: str, label: str) -> int | None:
    """Returns the loaded version that a label names.

    Args:
        client: a client of the server.
        model: name of the model.
        label: the label.

    Returns:
        The version; None if there is no such label, or its version is no longer loaded.

    Raises:
        RequestError: the server does not answer.
    """
    try:
        return client.label_version(model, label)
    except NotFoundError:
        return None
