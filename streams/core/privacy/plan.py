"""Plans: the rule of every field, declared or by default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from streams.config.privacy import ALWAYS_KEPT, MAPS_OF_NUMBERS, MAPS_OF_TEXTS, NUMBERS, PAYLOAD, TEXTS, PrivacyConfig
from streams.core.block import FEEDBACK_KINDS, ROLES
from streams.core.privacy.pseudonym import Pseudonyms
from streams.core.privacy.rule import DROP, HASH, KEEP, Rule, known
from streams.core.privacy.treatment import MapRule, Plan, Treatment

if TYPE_CHECKING:  # services import this, and need nothing of the rest of the configuration
    from streams.config.models import Config, ModelConfig

Rules = Mapping[str, Rule]

_MAPS = (*MAPS_OF_TEXTS, *MAPS_OF_NUMBERS)
_SOURCES = ("observed", "annotated")


def landing(config: Config) -> Treatment:
    """
    Return what is done to events before they are stored.

    Declared rules first. Of the other fields those are kept by which events are joined, and numbers; texts only if the
    configuration names them: labels, attributes of slices, arms. Units are hashed.
    """
    declared, section = config.privacy.fields, config.privacy
    fields = dict.fromkeys((*ALWAYS_KEPT, *NUMBERS), KEEP)
    fields |= {"role": known(ROLES), "kind": known(FEEDBACK_KINDS), "source": known(_SOURCES)}
    fields |= {"unit_id": HASH, "label": known(tuple(_labels(config.models.values()))), "ranking": DROP}
    fields |= {name: rule for name, rule in declared.items() if name in fields}
    maps = {name: _map_rule(name, _named(name, config), declared, DROP) for name in _MAPS}
    return Treatment(Plan(fields, maps, declared.get(PAYLOAD, DROP)), _pseudonyms(section))


def leaving(section: PrivacyConfig) -> Treatment:
    """
    Return what is done to events before they leave a service: what is declared, and nothing else.

    Raises
    ------
    ValueError
        A field is to be hashed, and the section has no secret.
    """
    declared = section.client_fields
    if HASH in declared.values() and section.secret is None:
        raise ValueError("a field is to be hashed, and there is no secret: read it before events are treated")
    fields = dict.fromkeys(("type", *ALWAYS_KEPT, *NUMBERS, *TEXTS), KEEP)
    fields |= {name: rule for name, rule in declared.items() if name in fields}
    return Treatment(Plan(fields, {name: _map_rule(name, {}, declared, KEEP) for name in _MAPS}), _pseudonyms(section))


def _map_rule(name: str, named: Rules, declared: Rules, others: Rule) -> MapRule:
    mine = {path.partition(".")[2]: rule for path, rule in declared.items() if path.startswith(f"{name}.")}
    return MapRule({**named, **{key: rule for key, rule in mine.items() if key != "*"}}, mine.get("*", others))


def _named(map_name: str, config: Config) -> Rules:
    """Rules of the keys that the configuration names elsewhere."""
    if map_name == "assignments":
        return {name: known(tuple(one.arms)) for name, one in config.experimentation.experiments.items()}
    columns = [column for watch in config.detection.models.values() for column in watch.columns]
    keys = {column.partition(".")[2] for column in columns if column.startswith(f"{map_name}.")}
    if map_name == "attributes":
        keys |= {attribute for model in config.models.values() for attribute in model.attributes}
    return dict.fromkeys(sorted(keys), KEEP)


def _labels(models: Iterable[ModelConfig]) -> frozenset[str]:
    """All labels that the configuration names."""
    return frozenset(
        label for model in models for label in (model.positive, model.negative, *model.classes) if label is not None
    )


def _pseudonyms(section: PrivacyConfig) -> Pseudonyms | None:
    return None if section.secret is None else Pseudonyms(section.secret, section.rotate)
