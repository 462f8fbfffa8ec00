"""The deployment files, read as the tools that run them read them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from jsonschema import Draft202012Validator

from streams.cli import cli

ROOT = Path(__file__).parents[2]
SCHEMAS = Path(__file__).parent / "schemas"
_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\})")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def version() -> str:
    """Version of the project, which the image's tag is."""
    (found,) = re.findall(r'^version = "(.+)"$', text_of("pyproject.toml"), re.MULTILINE)
    return str(found)


def interpolated(node: Any, environ: Mapping[str, str]) -> Any:
    """Replace variables in every text: `${X:-default}`, `${X:?needed}`, and `$$` for a dollar."""
    if isinstance(node, dict):
        return {key: interpolated(value, environ) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolated(value, environ) for value in node]
    return _VARIABLE.sub(lambda found: _value(found, environ), node) if isinstance(node, str) else node


def _value(found: re.Match[str], environ: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    value = environ.get(found["name"], "")
    if not value and found["kind"] != "-":
        raise LookupError(f"{found['name']} is missing a value: {found['text']}")
    return value or found["text"]


def documents(name: str) -> list[Any]:
    """Return the documents of a YAML file."""
    return list(yaml.safe_load_all(text_of(name)))


def problems(document: Any, schema: str, definition: str | None = None) -> list[str]:
    """Return what of a document breaks a published schema, or one of its definitions, each with its path."""
    whole = json.loads((SCHEMAS / schema).read_text(encoding="utf-8"))
    wanted = whole if definition is None else {"$ref": f"#/$defs/{definition}", "$defs": whole["$defs"]}
    Draft202012Validator.check_schema(wanted)
    found = Draft202012Validator(wanted).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


def parsed(arguments: list[str]) -> dict[str, Any]:
    """
    Parse the arguments of a container as `streams` does, and return the values of the command's options.

    Raises
    ------
    click.UsageError
        There is no such command, an option is unknown or missing, or has a value that it does not take.
    """
    command: click.Command = cli
    context = click.Context(cli, info_name="streams")
    rest = list(arguments)
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, f"streams {' '.join(arguments)}: {name} is no command"
        command, context = found, click.Context(found, info_name=name, parent=context)
    with command.make_context(context.info_name, rest, parent=context.parent) as made:
        return dict(made.params)
