"""
The section `alerting`: where alerts go, which go where, and when they can wait.

It holds no secrets, only where they are; `streams.alerts.making` reads them. Paths are taken from the directory in
which the command runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from streams.config.alerting_fields import Address, Addresses, ClockTime, Names, Patterns, Severities, Url, Zone, covers
from streams.config.fields import Duration
from streams.config.kafka import Text
from streams.config.problems import Problem, Problems, Section, describe, shown, unknown
from streams.core.window_spec import DAY, HOUR, SECOND

ROUTE_SECRETS_HINT = (
    "secrets do not belong in the configuration: name the environment variable that holds it with `{0}_env`, "
    "or the file with `{0}_file`"
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class QuietConfig(_Frozen):
    """Hours in which only pages go out."""

    start: Annotated[ClockTime, Field(alias="from")] = Field(description="When they begin, such as 22:00")
    until: ClockTime = Field(description="When they end, on the same day or the next")
    zone: Zone = Field(default="UTC", description="The time zone of both, such as Europe/Berlin")
    pages: Literal["pass", "wait"] = Field(default="pass", description="Whether pages wait too: pass, wait")

    @model_validator(mode="after")
    def _have_an_end(self) -> QuietConfig:
        if self.start == self.until:
            raise Problems([(("until",), f"{shown(self.until)} is when they begin: they would have no end")])
        return self


def _quiet(value: object) -> object:
    """Read quiet hours here, where pydantic would say as well that they are not the None that stands for none."""
    if value is None or isinstance(value, QuietConfig):
        return value
    try:
        return QuietConfig.model_validate(value)
    except ValidationError as error:
        raise Problems(describe(error, (_keys(QuietConfig),), _HINTS)) from None


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


_Quiet = Annotated[QuietConfig | None, BeforeValidator(_quiet, json_schema_input_type=QuietConfig)]


class _Route(_Frozen):
    timeout: Duration = Field(default=10 * SECOND, description="How long one attempt may take")
    quiet: _Quiet = Field(
        default=None, description="Hours in which only pages go out", json_schema_extra=_without_default
    )

    @property
    def secret(self) -> str | None:
        """The key of which `..._env` and `..._file` say where it is; None where no secret is needed."""
        return None

    @model_validator(mode="after")
    def _one_place_for_the_secret(self) -> _Route:
        named = self.secret
        if named is None:
            return self
        variable, file = getattr(self, f"{named}_env"), getattr(self, f"{named}_file")
        if variable is not None and file is not None:
            raise Problems([((f"{named}_file",), f"is a second place beside `{named}_env`: keep one of the two")])
        if variable is None and file is None:
            raise Problems([((), f"needs `{named}_env` or `{named}_file`: where its {_SECRETS[named]} is")])
        return self


class AlertmanagerRoute(_Route):
    """Prometheus's Alertmanager."""

    kind: Literal["alertmanager"] = Field(description="alertmanager")
    url: Url = Field(description="Where it is, such as http://alertmanager:9093")
    lasts: Duration = Field(default=7 * DAY, description="An alert that nothing more is heard of ends after so long")
    token_env: Text = Field(default=None, description="The environment variable that holds a bearer token, if any")
    token_file: Text = Field(default=None, description="The file that holds it")

    @property
    def secret(self) -> str | None:
        """A token is asked for only behind a proxy that wants one."""
        return "token" if self.token_env is not None or self.token_file is not None else None


class PagerDutyRoute(_Route):
    """A service of PagerDuty."""

    kind: Literal["pagerduty"] = Field(description="pagerduty")
    url: Url = Field(
        default="https://events.pagerduty.com/v2/enqueue",
        description="Where events are taken; in Europe https://events.eu.pagerduty.com/v2/enqueue",
    )
    routing_key_env: Text = Field(default=None, description="The environment variable that holds the service's key")
    routing_key_file: Text = Field(default=None, description="The file that holds it")

    @property
    def secret(self) -> str | None:
        """Whoever has the key can page."""
        return "routing_key"


class SlackRoute(_Route):
    """A channel of Slack."""

    kind: Literal["slack"] = Field(description="slack")
    url_env: Text = Field(default=None, description="The environment variable that holds the incoming webhook's URL")
    url_file: Text = Field(default=None, description="The file that holds it")

    @property
    def secret(self) -> str | None:
        """Whoever has the URL can post."""
        return "url"


class WebhookRoute(_Route):
    """Any program that takes JSON."""

    kind: Literal["webhook"] = Field(description="webhook")
    url: Url = Field(description="Where it listens")
    secret_env: Text = Field(default=None, description="The environment variable with what requests are signed with")
    secret_file: Text = Field(default=None, description="The file that holds it")

    @property
    def secret(self) -> str | None:
        """What both sides know."""
        return "secret"


class EmailRoute(_Route):
    """A list of addresses."""

    kind: Literal["email"] = Field(description="email")
    to: Addresses = Field(description="Addresses")
    sender: Address = Field(alias="from", description="The address that it comes from")
    host: str = Field(min_length=1, description="The mail server")
    port: int = Field(default=587, strict=True, ge=1, le=65_535, description="Its port")
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection is encrypted: starttls, tls (port 465), none"
    )
    username: Text = Field(default=None, description="The name to log in with, if any")
    password_env: Text = Field(default=None, description="The environment variable that holds the password")
    password_file: Text = Field(default=None, description="The file that holds the password")
    ca_file: Text = Field(default=None, description="Certificates (PEM) to trust, instead of the system's")

    @property
    def secret(self) -> str | None:
        """Without a name nobody logs in."""
        return None if self.username is None else "password"

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> EmailRoute:
        if self.security == "none" and self.username is not None:
            raise Problems([(("username",), "is only for starttls and tls: a password would go in the clear")])
        return self


RouteConfig = AlertmanagerRoute | PagerDutyRoute | SlackRoute | WebhookRoute | EmailRoute
_KINDS: Mapping[str, type[RouteConfig]] = MappingProxyType(
    {
        "alertmanager": AlertmanagerRoute,
        "pagerduty": PagerDutyRoute,
        "slack": SlackRoute,
        "webhook": WebhookRoute,
        "email": EmailRoute,
    }
)
_SECRETS: Mapping[str, str] = MappingProxyType(
    {
        "token": "bearer token",
        "routing_key": "integration key",
        "url": "webhook URL",
        "secret": "signing secret",
        "password": "password",
    }
)


def _route(value: object, info: ValidationInfo) -> object:
    """Read a route by its kind, so that what is wrong is said about that kind only."""
    if isinstance(value, _Route):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(f"{shown(value)} is no route: write a mapping with its `kind`")  # noqa: TRY004 - for pydantic
    kind = value.get("kind")
    if kind not in _KINDS:
        what = "is required: what sort of route it is" if kind is None else f"{shown(kind)} is no kind of route"
        raise Problems([(("kind",), what + unknown(str(kind or ""), _KINDS))])
    chosen = _KINDS[str(kind)]
    try:
        return chosen.model_validate(value, context=info.context)
    except ValidationError as error:
        hints = {**_HINTS, **_SLACK_HINTS} if chosen is SlackRoute else _HINTS
        raise Problems(describe(error, (_keys(chosen),), hints)) from None


def keys_of(part: type[BaseModel]) -> frozenset[str]:
    """Return the keys of a part of the section, as they stand in the file."""
    return frozenset(field.alias or name for name, field in part.model_fields.items())


def _keys(part: type[BaseModel]) -> Section:
    return Section((), keys_of(part), "here")


_HINTS = {
    "url": "where it is, such as http://host:9093",
    "from": "when they begin, such as 22:00, or of an e-mail the address that it comes from",
    "until": "when they end, such as 07:00",
    "to": "a list of addresses",
    "host": "the mail server",
    **{name: ROUTE_SECRETS_HINT.format(name) for name in ("token", "routing_key", "secret", "password")},
}
_SLACK_HINTS = {"url": ROUTE_SECRETS_HINT.format("url")}


class RouteRule(_Frozen):
    """Which alerts go to which routes. What is not given matches everything."""

    models: Patterns = Field(default=("*",), description="Names of models; * stands for any text")
    teams: Patterns = Field(default=("*",), description="Teams, likewise")
    severities: Severities = Field(default=("info", "warning", "page"), description="Severities: info, warning, page")
    routes: Names = Field(description="Where they go; an empty list is nowhere")
    further: bool = Field(default=False, alias="continue", description="Whether later rules are looked at as well")

    def hides(self, other: RouteRule) -> bool:
        """Whether a later rule never has its turn."""
        return (
            not self.further
            and covers(self.models, other.models)
            and covers(self.teams, other.teams)
            and set(other.severities) <= set(self.severities)
        )


class AlertingConfig(_Frozen):
    """The whole section; without routes nothing is sent."""

    routes: dict[str, Annotated[RouteConfig, BeforeValidator(_route, json_schema_input_type=RouteConfig)]] = Field(
        default_factory=dict, description="The routes by name"
    )
    rules: tuple[RouteRule, ...] = Field(default=(), description="Which alerts go where: the first rule that matches")
    default: Names = Field(default=(), description="Where alerts go that no rule matches")
    give_up_after: Duration = Field(default=6 * HOUR, description="For how long a notice is tried")
    most_waiting: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = Field(
        default=10_000, description="Notices that wait for a route; beyond, the least urgent is given up"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> AlertingConfig:
        found = [*_unknown_routes(self), *_hidden(self.rules)]
        if found:
            raise Problems(found)
        return self


def _unknown_routes(section: AlertingConfig) -> Iterator[Problem]:
    places = [(("rules", number, "routes"), rule.routes) for number, rule in enumerate(section.rules)]
    for where, names in [*places, (("default",), section.default)]:
        for name in names:
            if name not in section.routes:
                yield where, f"{shown(name)} is no route{unknown(name, section.routes)}"


def _hidden(rules: tuple[RouteRule, ...]) -> Iterator[Problem]:
    for number, rule in enumerate(rules):
        first = next((earlier for earlier in range(number) if rules[earlier].hides(rule)), None)
        if first is not None:
            yield (
                ("rules", number),
                f"is never reached: rules[{first}] matches all that it does; move it up, or add `continue: true` there",
            )
