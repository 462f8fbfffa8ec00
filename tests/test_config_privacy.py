"""The section `privacy`: what is documented of it is so, and what does not fit is said at once."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from streams.config import Config, json_schema, parse_config
from streams.config.privacy import PrivacyConfig
from streams.core.privacy.rule import DROP, HASH, KEEP, Rule
from streams.core.window_spec import DAY
from streams.errors import ConfigError

DOCS = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")


def parsed(section: Any) -> Config:
    return parse_config(f"models: {{m: {{task: none}}}}\nprivacy: {json.dumps(section)}\n", "test")


def problems(section: Any) -> list[str]:
    """Every problem of a file with this section, without the lines and what they have in common."""
    with pytest.raises(ConfigError) as caught:
        parsed(section)
    return [re.sub(r" \(line \d+\)", "", problem).removeprefix("privacy.") for problem in caught.value.problems]


def test_every_key_is_documented() -> None:
    """The table lists the keys in their order, with their defaults and an example that is accepted."""
    rows = re.findall(r"^\| `privacy\.(\w+)` \|[^|]*\| ([^|]*) \| `([^`]*)` \|$", DOCS, re.MULTILINE)
    properties = json_schema()["$defs"]["PrivacyConfig"]["properties"]
    written = {key: value["default"] for key, value in properties.items() if "default" in value}
    shown = {key: default.strip("`") for key, default, _ in rows if key in written}

    assert [key for key, *_ in rows] == list(PrivacyConfig.model_fields)
    assert shown == {key: str(value) for key, value in written.items()}
    for key, _, example in rows:
        others = "fields: {attributes.email: drop}, " if key == "client" else ""
        assert parse_config(f"models: {{m: {{task: none}}}}\nprivacy: {{{others}{key}: {example}}}", "example").privacy


def test_a_section_is_read() -> None:
    """Treatments, durations and the rest become what they say."""
    section = parsed(
        {
            "secret_env": "S",
            "rotate": "7d",
            "fields": {
                "unit_id": "hash",
                "attributes.zip": {"truncate": 2},
                "features.*": {"bucket": 0.5},
                "ranking": "drop",
                "payload": "keep",
                "request_id": "keep",
            },
            "retention": {"samples": "30d"},
        }
    ).privacy

    assert list(section.fields.values()) == [HASH, Rule("truncate", 2), Rule("bucket", 0.5), DROP, KEEP, KEEP]
    assert (section.rotate, section.retention, section.smallest_cell) == (7 * DAY, {"samples": 30 * DAY}, 1)
    assert list(section.client_fields) == ["unit_id", "attributes.zip", "features.*", "ranking", "request_id"]


def test_the_secret_is_shown_nowhere() -> None:
    """Neither the text of the section nor what is written of it has the secret, once that is known."""
    section = PrivacyConfig().with_secret(b"canary")

    assert section.secret == b"canary"
    assert "canary" not in f"{section!r} {section} {section.model_dump()} {section.model_dump_json()}"


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"fields": {"unit": "drop"}}, 'fields.unit: "unit" is no field; did you mean `unit_id`?'),
        ({"fields": {"attributes": "drop"}}, 'fields.attributes: "attributes" is no field'),
        ({"fields": {"request_id": "hash"}, "secret_env": "S"}, "is always kept: events are joined and counted by it"),
        ({"fields": {"score": "hash"}, "secret_env": "S"}, "is a number: keep, drop or bucket it"),
        ({"fields": {"label": {"bucket": 3}}}, "is a text: keep, drop, hash or truncate it"),
        ({"fields": {"payload": {"truncate": 3}}}, "can only be kept or dropped"),
        ({"fields": {"label": {"truncate": 0}}}, "is no treatment: keep, drop, hash, {truncate: 3} or {bucket: 10}"),
        ({"fields": {"label": {"truncate": 1.5}}}, "is no treatment"),
        ({"fields": {"score": {"bucket": -1}}}, "is no treatment"),
        ({"fields": {"label": "mask"}}, '"mask" is no treatment'),
        ({"fields": {"unit_id": "hash"}}, "a hash needs a secret: say where it is with `secret_env`"),
        ({"secret": "x"}, "secrets do not belong in the configuration"),
        ({"secret_env": "S", "secret_file": "f"}, "is a second place beside `secret_env`: keep one of the two"),
        ({"client": ["label"]}, '"label" is none of `fields`'),
        ({"smallest_cell": 0}, "is too small: at least 1 is allowed"),
        ({"smallest_cell": 8_193}, "is too large: at most 8192 is allowed"),
        ({"retention": {"sample": "1d"}}, "samples"),
    ],
)
def test_what_does_not_fit_is_said(section: dict[str, Any], problem: str) -> None:
    """One problem, with its place and what to do."""
    (found,) = problems(section)

    assert problem in found
