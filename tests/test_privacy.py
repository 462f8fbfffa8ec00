"""The treatment that a service applies: from a section of the configuration and the secret that it names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.config.privacy import PrivacyConfig
from streams.core.privacy.plan import landing
from streams.errors import UsageError
from streams.privacy import client_treatment, with_secret
from tests.core.making import make_config

SECTION = {"secret_env": "S", "fields": {"unit_id": "hash", "attributes.*": "drop"}}
EVENT = {"event_time": 1_700_000_000_000_000, "unit_id": "ada", "attributes": {"a": "b"}, "label": "free text"}


def test_a_mapping_and_a_section_are_the_same() -> None:
    """Either says what is done; the secret is read from the given environment."""
    treat = client_treatment(SECTION, {"S": "secret"})
    treated = treat(EVENT)

    assert treated == {**EVENT, "unit_id": treated["unit_id"], "attributes": {}}
    assert treated["unit_id"].startswith("~655-")
    assert client_treatment(PrivacyConfig.model_validate(SECTION), {"S": "secret"})(EVENT) == treated


def test_a_datetime_is_a_time() -> None:
    """An event of the same time has the same pseudonym, in whichever form the time is written."""
    treat = client_treatment(SECTION, {"S": "secret"})
    time = datetime.fromtimestamp(1_700_000_000, UTC)

    assert treat({**EVENT, "event_time": time})["unit_id"] == treat(EVENT)["unit_id"]


def test_the_pipeline_leaves_what_the_service_did() -> None:
    """A unit that was hashed in the service is stored by that pseudonym."""
    config = with_secret(make_config({"m": {"task": "none"}}, privacy=SECTION), {"S": "secret"})
    treated = client_treatment(config.privacy, {"S": "secret"})(EVENT)

    assert landing(config).record(treated)["unit_id"] == treated["unit_id"]
    assert landing(config).record(EVENT)["unit_id"] == treated["unit_id"]


def test_a_secret_in_a_file(tmp_path: Path) -> None:
    """The secret may stand in a file."""
    (tmp_path / "secret").write_text("secret\n")
    section = {"secret_file": str(tmp_path / "secret"), "fields": {"unit_id": "hash"}}

    assert client_treatment(section)(EVENT)["unit_id"] == client_treatment(SECTION, {"S": "secret"})(EVENT)["unit_id"]


def test_a_secret_that_is_not_there_is_said() -> None:
    """Nothing is made without the secret that is declared."""
    with pytest.raises(UsageError, match="environment variable S is not set"):
        client_treatment(SECTION, {})
