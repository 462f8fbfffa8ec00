"""Reads the secret of the section `privacy`, for the pipeline and for the services that send events."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from streams.alerts.secret import read_secret
from streams.config.privacy import PrivacyConfig
from streams.core.privacy.plan import leaving

if TYPE_CHECKING:  # services import this, and need nothing of the rest of the configuration
    from streams.config.models import Config

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Treat = Callable[[Mapping[str, Any]], dict[str, Any]]


def with_secret(config: Config, environ: Mapping[str, str]) -> Config:
    """
    Return the configuration with the secret of `privacy`, if that says where one is.

    Raises
    ------
    UsageError
        The secret is not where it should be.
    """
    return config.model_copy(update={"privacy": _with_secret(config.privacy, environ)})


def client_treatment(section: PrivacyConfig | Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Treat:
    """
    Return the function that a service applies to each event before it leaves: `treat(event) -> event`.

    It takes the fields of an event as a dictionary and gives them as a new one; the time is in us, or a `datetime` with
    a zone. What `fields` declares is done, except where `client` says otherwise; nothing else is changed. The pipeline
    does the same again, which changes nothing.

    Parameters
    ----------
    section
        The section `privacy` of the configuration: `load_config(path).privacy`, or its keys as a mapping.
    environ
        The environment, of which `secret_env` names a variable; that of the process.

    Raises
    ------
    UsageError
        The secret is not where it should be.
    pydantic.ValidationError
        The mapping is no such section.
    """
    declared = section if isinstance(section, PrivacyConfig) else PrivacyConfig.model_validate(section)
    treatment = leaving(_with_secret(declared, os.environ if environ is None else environ))

    def treat(event: Mapping[str, Any]) -> dict[str, Any]:
        return treatment.record(event, _micros(event.get("event_time")))

    return treat


def _micros(time: object) -> int | None:
    """Return microseconds of a datetime with a zone; None for what says its microseconds itself, or is no time."""
    return (time - _EPOCH) // _MICROSECOND if isinstance(time, datetime) and time.tzinfo is not None else None


def _with_secret(section: PrivacyConfig, environ: Mapping[str, str]) -> PrivacyConfig:
    if section.secret_env is None and section.secret_file is None:
        return section
    secret = read_secret("the secret of the section privacy", section.secret_env, section.secret_file, environ)
    return section.with_secret(secret.encode())
