"""The types of the values of the section `alerting`, and the patterns in its rules."""

# ruff: noqa: TRY004 - pydantic collects ValueErrors and lets TypeErrors through
from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BeforeValidator, Field

from streams.config.problems import Problems, parse_list, shown, unknown
from streams.core.alert.rule import Severity

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]"
_ADDRESS = r"[^\s@<>,;]+@[^\s@<>,;]+"


def matches(pattern: str, text: str) -> bool:
    """
    Whether a text is what a pattern says, in which `*` stands for any text.

    >>> matches("flights-*", "flights-eu"), matches("flights", "flights-eu")
    (True, False)
    """
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def covers(wider: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    """
    Whether each of some patterns matches only what one of the wider ones does.

    >>> covers(("a*", "b"), ("ab*c", "b")), covers(("a",), ("a*",))
    (True, False)
    """
    # Whatever an asterisk may stand for, a pattern that takes it for a character takes it with an asterisk of its own.
    return all(any(matches(one, pattern) for one in wider) for pattern in patterns)


def _list(value: object) -> object:
    """Take a text for a list of one."""
    return (value,) if isinstance(value, str) else value


def _patterns(value: object) -> object:
    listed = _list(value)
    if not isinstance(listed, list | tuple) or not listed or not all(isinstance(one, str) and one for one in listed):
        raise ValueError(f"{shown(value)} is no list of names: write them as [flights, weather-*]")
    return tuple(listed)


def _severities(value: object) -> object:
    listed = _patterns(value)
    assert isinstance(listed, tuple)  # noqa: S101 - for mypy
    wrong = [(place, one) for place, one in enumerate(listed) if one not in SEVERITIES]
    if wrong:
        raise Problems(((place,), f"{shown(one)} is no severity{unknown(one, SEVERITIES)}") for place, one in wrong)
    return listed


def _names(value: object) -> object:
    listed = _list(value)
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in listed):
        raise ValueError(f"{shown(value)} is no list of routes: write their names as [oncall, chat]")
    return tuple(listed)


def _url(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is no URL: write it as text, such as http://host:9093")
    problem = url_problem(value)
    if problem:  # a URL that may hold a password is not repeated
        raise ValueError(f"{'the URL' if '@' in value else shown(value)} {problem}")
    return value


def url_problem(text: str) -> str:
    """
    Say what is wrong with a URL, without repeating it; empty if nothing is.

    >>> url_problem("https://hooks.example.org/x"), url_problem("ftp://example.org")
    ('', 'is no URL of http or https, such as http://host:9093')
    """
    try:
        parts = urlsplit(text)
        port_is_wrong = parts.port == 0
    except ValueError:
        return "is no URL: its host or its port is not one"
    if parts.scheme not in {"http", "https"}:
        return "is no URL of http or https, such as http://host:9093"
    if not parts.hostname or port_is_wrong or re.search(r"\s", text):
        return "is no URL: it needs a host, such as http://host:9093"
    if parts.username is not None or parts.password is not None:
        return "has a name or a password in it: secrets come from the environment or from files"
    return "has a fragment, which no server sees: remove it" if parts.fragment else ""


def _time(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(_TIME, value):
        raise ValueError(f"{shown(value)} is no time of day: write hours and minutes, such as 22:00")
    return value


def _zone(value: object) -> object:
    try:
        ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        close = get_close_matches(str(value), sorted(available_timezones()), n=1)
        meant = f"did you mean `{close[0]}`?" if close else "write one such as Europe/Berlin"
        raise ValueError(f"{shown(value)} is no time zone; {meant}") from None
    return value


def _address(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_ADDRESS, value):
        raise ValueError(f"{shown(value)} is no address: write it as name@example.org")
    return value


def _addresses(value: object) -> object:
    listed = parse_list(_list(value), _address, str)
    if not listed:
        raise ValueError("[] is empty: list at least one address")
    return listed


_Name = Annotated[str, Field(min_length=1)]
Patterns = Annotated[
    tuple[str, ...],
    BeforeValidator(_patterns, json_schema_input_type=_Name | Annotated[list[_Name], Field(min_length=1)]),
]
Severities = Annotated[
    tuple[Severity, ...],
    BeforeValidator(_severities, json_schema_input_type=Severity | Annotated[list[Severity], Field(min_length=1)]),
]
Names = Annotated[tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | list[str])]
Url = Annotated[str, BeforeValidator(_url, json_schema_input_type=Annotated[str, Field(pattern="^https?://")])]
ClockTime = Annotated[str, BeforeValidator(_time, json_schema_input_type=Annotated[str, Field(pattern=f"^{_TIME}$")])]
Zone = Annotated[str, BeforeValidator(_zone)]
_AddressText = Annotated[str, Field(pattern=f"^{_ADDRESS}$")]
Address = Annotated[str, BeforeValidator(_address, json_schema_input_type=_AddressText)]
Addresses = Annotated[
    tuple[str, ...],
    BeforeValidator(
        _addresses, json_schema_input_type=_AddressText | Annotated[list[_AddressText], Field(min_length=1)]
    ),
]
