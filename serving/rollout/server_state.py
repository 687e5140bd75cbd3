"""What the server says of a model: nothing of a rollout is remembered anywhere else."""

from dataclasses import dataclass, field

from vaiven.serving.client import Client, NotFoundError
from vaiven.serving.client.results import VersionStatus
from vaiven.serving.common.split import STABLE

CANARY = 'canary'
LABELS = (STABLE, CANARY)  # the API resolves a label but lists none: these two are asked for


@dataclass(frozen=True)
class Status:
    """Versions and labels of a model on its server."""

    versions: list[VersionStatus]  # newest first
    labels: dict[str, int] = field(default_factory=dict)

    @property
    def available(self) -> list[int]:
        return [each.version for each in self.versions if each.available]

    @property
    def loading(self) -> list[int]:
        """Those on their way into memory, as after a start: a server is ready with the first version of a model."""
        return [
            each.version for each in self.versions if each.state in ('START', 'LOADING') and not each.error
        ]

    @property
    def stable(self) -> int | None:
        return self.labels.get(STABLE)

    @property
    def canary(self) -> int | None:
        return self.labels.get(CANARY)


def status(client: Client, model: str) -> Status:
    """Versions and labels of a model. Raises RequestError."""
    versions = client.status(model)
    found = {label: label_version(client, model, label) for label in LABELS}
    return Status(versions, {label: number for label, number in found.items() if number is not None})


def label_version(client: Client, model: str, label: str) -> int | None:
    """The loaded version that a label names; None also where that version has gone. Raises RequestError."""
    try:
        return client.label_version(model, label)
    except NotFoundError:
        return None
