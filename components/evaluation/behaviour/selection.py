"""Which behavioural tests a run has."""

import dataclasses
import json
from collections.abc import Sequence

from vaiven.components.evaluation.behaviour.cases import Case, built_in_cases, read_cases
from vaiven.components.evaluation.behaviour.perturbations import invariance_cases, languages
from vaiven.components.evaluation.config import Behaviour, EvaluationConfig
from vaiven.label_spec import LabelSpec
from vaiven.serving.common.model_labels import ModelLabels


@dataclasses.dataclass(frozen=True)
class BehaviourTests:
    """The tests of a run, as the graph of the pipeline contains them.

    Attributes:
        which: `all`, `own` or `none`.
        own: the sentences of the user.
        min_score: bound of the score; None for none.
    """

    which: Behaviour = 'none'
    own: tuple[Case, ...] = ()
    min_score: float | None = None

    @classmethod
    def from_config(cls, config: EvaluationConfig, labels: ModelLabels) -> 'BehaviourTests':
        """The tests of a configuration; reads the file of the user.

        Args:
            config: the settings.
            labels: of the model.

        Raises:
            UserError: the file is not valid.
        """
        own = read_cases(config.behaviour_file, labels) if config.behaviour_file else []
        return cls(config.behaviour, tuple(own), config.min_behaviour)

    def to_json(self) -> str:
        """The tests as JSON."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> 'BehaviourTests':
        """The tests, from `to_json`; none if the text is empty."""
        values = json.loads(text or '{}')
        return cls(**{**values, 'own': tuple(Case(**case) for case in values.get('own', ()))})

    def cases(self, texts: Sequence[str], labels: LabelSpec) -> list[Case]:
        """All sentences.

        Args:
            texts: held-out texts, for invariance tests.
            labels: of the model. Only a model of sentiment has the sentences of this package, in the languages of
                `texts`.
        """
        cases = list(self.own)
        if self.which == 'all':
            if labels.is_sentiment:
                cases += [case for language in languages(texts) for case in built_in_cases(language)]
            cases += invariance_cases(texts)
        return cases
