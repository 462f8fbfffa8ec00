"""Plans: what is stored by default, and what is declared."""

from __future__ import annotations

from typing import Any

import pytest

from streams.config.privacy import PrivacyConfig
from streams.core.privacy.plan import landing, leaving
from streams.core.privacy.pseudonym import Pseudonyms
from tests.core.making import make_config

MODELS = {"m": {"task": "binary", "positive": "yes", "negative": "no", "slices": [["country"]]}}
OTHERS: dict[str, Any] = {
    "detection": {"models": {"m": {"columns": ["attributes.device", "features.age"]}}},
    "experimentation": {"experiments": {"e": {"model": "m", "arms": {"a": 1, "b": 1}}}},
}
EVENT = {
    "request_id": "r",
    "prediction_id": "p",
    "event_time": 7,
    "model": "m",
    "version": "1",
    "role": "live",
    "kind": "rating",
    "unit_id": "ada",
    "score": 0.25,
    "value": 3.0,
    "label": "yes",
    "source": "observed",
    "ranking": ["x"],
    "attributes": {"country": "de", "device": "phone", "email": "ada@example.org"},
    "features": {"age": 37.0, "income": 1.0},
    "assignments": {"e": "a", "other": "a"},
}
SECRET = b"the secret"


def test_what_is_stored_by_default() -> None:
    """Ids, times, numbers, units as pseudonyms, and of all texts only those that the configuration names."""
    config = make_config(MODELS, **OTHERS)
    config = config.model_copy(update={"privacy": config.privacy.with_secret(SECRET)})
    stored = landing(config).record(EVENT)
    unit = Pseudonyms(SECRET, config.privacy.rotate).of("unit_id", "ada", 7)

    assert stored == {
        **{name: value for name, value in EVENT.items() if name != "ranking"},
        "unit_id": unit,
        "attributes": {"country": "de", "device": "phone"},
        "features": {"age": 37.0},
        "assignments": {"e": "a"},
    }


@pytest.mark.parametrize("name", ["role", "kind", "label", "source"])
def test_a_text_that_nothing_names_is_not_stored(name: str) -> None:
    """Of fields with a list of texts, others are dropped; so are arms that are not declared."""
    stored = landing(make_config(MODELS, **OTHERS)).record({**EVENT, name: "free text", "assignments": {"e": "c"}})

    assert name not in stored
    assert stored["assignments"] == {}


def test_what_is_declared_goes_first() -> None:
    """Declared rules replace the defaults, also of names that the configuration has elsewhere."""
    fields = {
        "unit_id": "keep",
        "label": {"truncate": 1},
        "score": {"bucket": 0.1},
        "ranking": "keep",
        "attributes.country": "drop",
        "attributes.*": "keep",
        "features.income": {"bucket": 10},
    }
    stored = landing(make_config(MODELS, **OTHERS, privacy={"fields": fields})).record(EVENT)

    assert (stored["unit_id"], stored["label"], stored["score"], stored["ranking"]) == ("ada", "y", 0.2, ["x"])
    assert stored["attributes"] == {"device": "phone", "email": "ada@example.org"}
    assert stored["features"] == {"age": 37.0, "income": 0.0}


def test_a_service_does_what_is_declared_and_nothing_else() -> None:
    """Fields that nothing is said of leave the service as they are; `client` leaves some to the pipeline."""
    declared = {"fields": {"unit_id": "hash", "attributes.email": "drop", "payload": "keep"}, "secret_env": "S"}
    section = PrivacyConfig.model_validate(declared).with_secret(SECRET)
    sent = leaving(section).record(EVENT)
    later = PrivacyConfig.model_validate(declared | {"client": ["attributes.email"]}).with_secret(SECRET)

    assert sent["unit_id"].startswith("~")
    assert sent == EVENT | {"unit_id": sent["unit_id"], "attributes": {"country": "de", "device": "phone"}}
    assert leaving(later).record(EVENT)["unit_id"] == "ada"


def test_a_service_without_the_secret_sends_nothing_unhashed() -> None:
    """Where a hash is declared and the secret was not read, there is no treatment to be had."""
    section = PrivacyConfig.model_validate({"fields": {"unit_id": "hash"}, "secret_env": "S"})

    with pytest.raises(ValueError, match="no secret"):
        leaving(section)
