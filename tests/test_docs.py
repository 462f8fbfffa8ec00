"""What the documents name exists, and what they show works: links, files, commands, events, fields, queries."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from pathlib import Path
from typing import Any, get_args

import click
import pytest

from streams.cli import cli
from streams.codecs.files import open_source
from streams.codecs.jsonl import decode_lines
from streams.codecs.registry import SchemaRegistry, default_schema_dir
from streams.config import parse_config
from streams.core.block import EVENT_TYPES, RejectReason
from streams.pipeline import Pipeline
from streams.sinks.clickhouse.store import open_store
from tests.driving import FAR_FUTURE

ROOT = Path(__file__).parents[1]
PATHS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in PATHS]
README, EVENTS = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/events.md"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
OURS = re.compile(r"(?<![.\w/])(?:streams|tests|docs|schemas|benchmarks|deploy)/[\w./@-]+")
PLACEHOLDER = re.compile(r"[A-Z]{2,}|\.v[A-Z]")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_of(name: str) -> list[str]:
    """Lines of code of a document: fenced, indented, and spans within a line."""
    text = text_of(name)
    fenced = [
        line
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
    ]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [*fenced, *re.findall(r"^    (.*)$", prose, re.MULTILINE), *re.findall(r"`([^`\n]+)`", prose)]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands_of(name: str) -> list[str]:
    """Return what stands behind `streams` wherever the document shows a command, up to a quoted argument."""
    return [
        m[1] for line in code_of(name) for m in [re.match(r"(?:\.venv/bin/)?streams ((?![|.\d])[^\"#]+)", line)] if m
    ]


@pytest.mark.parametrize("name", NAMES)
def test_relative_links_lead_somewhere(name: str) -> None:
    """Every link that is no address names a file or directory beside the document."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text_of(name))
    missing = [t for t in targets if "://" not in t and not ((ROOT / name).parent / t.partition("#")[0]).exists()]

    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_named_exist(name: str) -> None:
    """Every path of the project in code exists, but for those with a placeholder in capitals."""
    named = [path.rstrip(".") for line in code_of(name) for path in OURS.findall(line)]
    missing = [path for path in named if not PLACEHOLDER.search(path) and not (ROOT / path).exists()]

    assert not missing


@pytest.mark.parametrize("name", NAMES)
def test_commands_that_are_shown_exist(name: str) -> None:
    """Every `streams ...` is a command of the program and has the options that it is shown with."""
    for shown in commands_of(name):
        command: click.Command = cli
        words = shown.split()
        while words and isinstance(command, click.Group) and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}

        assert command is not cli or words[0].startswith("--"), shown
        assert {word for word in words if word.startswith("--")} <= options, shown


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_that_are_named_exist(name: str) -> None:
    """Every `make ...` is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    named = {m[1] for line in code_of(name) for m in [re.match(r"make ([a-z-]+)", line)] if m}

    assert named <= targets


@pytest.mark.parametrize("name", [*NAMES, "docs/demo.svg"])
def test_no_path_of_a_machine_is_shown(name: str) -> None:
    """No document names an absolute path: it would be one of somebody's machine."""
    assert not re.findall(r"(?:^|[\s`\"'(=]|:///)/?(?:home|root|tmp|usr|opt|mnt|var|srv|Users)/\S*", text_of(name))


def test_the_picture_is_small_and_complete_in_itself() -> None:
    """The demo's picture is under 300 kB, is shown in the README, and loads nothing from elsewhere."""
    picture = text_of("docs/demo.svg")

    assert len(picture.encode()) < 300_000
    assert "](docs/demo.svg)" in README
    assert not re.findall(r"url\((?!#)|href=", picture)


@pytest.mark.parametrize(("name", "kinds"), [("README.md", EVENT_TYPES[:3]), ("docs/events.md", EVENT_TYPES)])
def test_example_events_decode(name: str, kinds: tuple[str, ...]) -> None:
    """The events in JSON are one of each type (in the README, of those that join), and none is rejected."""
    lines = [line.encode() for block in blocks(text_of(name), "json") for line in block.splitlines()]
    block = decode_lines(lines, name, range(len(lines)))

    assert [(batch.kind, len(batch)) for batch in block.batches] == [(kind, 1) for kind in kinds]
    assert not block.rejects


def test_the_readme_works_from_events_to_counts() -> None:
    """The README's events, run with the README's configuration, are joined, attributed, and none rejected."""
    (config,) = blocks(README, "yaml")
    lines = [line.encode() for block in blocks(README, "json") for line in block.splitlines()]
    pipeline = Pipeline(parse_config(config, "README.md"))
    pipeline.open("events")
    list(pipeline.process(decode_lines(lines, "events", range(len(lines))), FAR_FUTURE))
    pipeline.close("events")
    list(pipeline.flush(ended=True))
    counts = pipeline.counts()

    assert {name: counts[name] for name in ("read", "joined", "attributed", "rejected")} == {
        "read": 3,
        "joined": 1,
        "attributed": 1,
        "rejected": 0,
    }


def test_the_readmes_queries_run(tmp_path: Path) -> None:
    """Every query in the README is one that the store answers."""
    shown = [block for block in blocks(README, "sh") if "streams query" in block]
    with open_store(f"chdb://{tmp_path}/store") as store:
        store.migrate()
        answers = [store.query(shlex.split(command)[-1]) for command in shown]

    assert [answer.num_rows for answer in answers] == [0, 0, 0]


def as_type(schema: Any) -> str:
    """Write a type of an Avro schema as the documents do."""
    if isinstance(schema, list):
        return f"{as_type(next(branch for branch in schema if branch != 'null'))} or null"
    if isinstance(schema, dict):
        inner = schema.get("items") or schema.get("values")
        return f"{schema['type']} of {inner}" if inner else str(schema["logicalType"])
    return str(schema)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_field_is_documented(kind: str) -> None:
    """The table of an event lists its schema's fields in order, with their types and defaults."""
    (section,) = re.findall(rf"^## `{kind}`\n(.*?)^## ", EVENTS, re.DOTALL | re.MULTILINE)
    documented = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|", section, re.MULTILINE)
    fields = json.loads(text_of(f"schemas/{kind}.avsc"))["fields"]
    defaults = [json.dumps(field["default"]) if "default" in field else "required" for field in fields]
    declared = [(f["name"], as_type(f["type"]), default) for f, default in zip(fields, defaults, strict=True)]

    assert documented == declared


def test_every_reason_for_rejection_is_documented() -> None:
    """The table of reasons lists those of the code, in the same order."""
    (section,) = re.findall(r"^## What is rejected\n(.*)", EVENTS, re.DOTALL | re.MULTILINE)

    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == get_args(RejectReason)


def test_the_example_in_python_writes_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program in docs/events.md writes a container file that is read without a reject."""
    (program,) = blocks(EVENTS, "python")
    (tmp_path / "schemas").symlink_to(default_schema_dir())
    (tmp_path / "write.py").write_text(program)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("write.py")
    (block,) = open_source("outcomes.avro", SchemaRegistry.load(default_schema_dir()))

    assert [(batch.kind, len(batch), len(block.rejects)) for batch in block.batches] == [("outcome", 1, 0)]
