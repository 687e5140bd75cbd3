"""The choice of the baseline model that a candidate is compared with."""

from ml_metadata import MetadataStore
from tfx.components.evaluator import constants
from tfx.dsl.components.common import resolver
from tfx.types import Artifact

MODEL, BLESSING, CANDIDATE = 'model', 'model_blessing', 'candidate'


class LatestBlessedOtherStrategy(resolver.ResolverStrategy):
    """Resolves the latest blessed model that is not the candidate itself.

    TFX's `LatestBlessedModelStrategy` may choose the candidate if a run takes it from the cache. It would be compared
    with itself, and the evaluation would run again without need, because its inputs have changed.
    """

    def resolve_artifacts(
        self, store: MetadataStore, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]]:
        """Chooses the baseline.

        Args:
            store: the metadata store; not used.
            input_dict: all models, all blessings, and the candidate.

        Returns:
            At most one model with its blessing, and the candidate.
        """
        candidates = {model.id for model in input_dict[CANDIDATE]}
        blessings = {
            blessing.get_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY): blessing
            for blessing in sorted(input_dict[BLESSING], key=lambda artifact: artifact.id)
        }
        blessed = [
            model
            for model in input_dict[MODEL]
            if model.id not in candidates
            and model.id in blessings
            and blessings[model.id].get_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY)
        ]
        latest = max(blessed, key=lambda model: model.id, default=None)
        return {
            MODEL: [latest] if latest else [],
            BLESSING: [blessings[latest.id]] if latest else [],
            CANDIDATE: input_dict[CANDIDATE],
        }
