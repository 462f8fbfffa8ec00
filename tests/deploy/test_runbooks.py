"""docs/runbooks: a page for every alert, an alert for every page, and queries that run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from streams.sinks.clickhouse.store import Store, open_store
from tests.deploy.reading import ROOT, text_of
from tests.deploy.test_prometheus import ALERTS, promtool, unknown_metrics

FOLDER = ROOT / "docs" / "runbooks"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md")) if path.stem != "README"}
INDEX = (FOLDER / "README.md").read_text(encoding="utf-8")
ABOUT_MODELS = {
    "quality-dropped",
    "column-drifted",
    "assertion-failing",
    "traffic-changed",
    "labels-missing",
    "labels-delayed",
    "latency-grew",
    "calibration-moved",
    "no-data",
    "sample-ratio-mismatch",
    "guardrail-harmed",
    "canary-harmed",
    "arm-worse",
    "release-changed-quality",
}
SECTIONS = ["What it means", "Look first", "Likely causes", "How to end it"]


def page_of(alert: str) -> str:
    """
    Name of the page of a pipeline's alert.

    >>> page_of("StreamsStoreAway")
    'store-away'
    """
    return "-".join(re.findall(r"[A-Z][a-z]+", alert.removeprefix("Streams"))).lower()


TITLES = {name: name for name in ABOUT_MODELS} | {page_of(alert): alert for alert in ALERTS}


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the blocks of code in a language, each with the name of its page."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [(name, block) for name, text in PAGES.items() for block in fence.findall(text)]


SQL, PROMQL = blocks("sql"), blocks("promql")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(f"chdb://{tmp_path_factory.mktemp('runbooks')}/store") as opened:
        opened.migrate()
        yield opened


def test_alerts_and_pages_are_the_same() -> None:
    """Every alert has a page, and every page is of an alert, whose name is its title."""
    assert set(PAGES) == set(TITLES)
    assert {name: text.partition("\n")[0] for name, text in PAGES.items()} == {
        name: f"# {title}" for name, title in TITLES.items()
    }


def test_a_rule_leads_to_its_own_page() -> None:
    """What a rule names as its runbook is the page of its alert."""
    assert {name: rule["annotations"]["runbook"] for name, rule in ALERTS.items()} == {
        name: f"docs/runbooks/{page_of(name)}.md" for name in ALERTS
    }


def test_the_index_lists_every_page() -> None:
    """Each once, under its title, those of the pipeline with their severity."""
    listed = re.findall(r"^\| \[([\w-]+)\]\(([\w-]+)\.md\) \| (?:(\w+) \| )?", INDEX, re.MULTILINE)

    assert sorted(page for _, page, _ in listed) == sorted(PAGES)
    assert {page: title for title, page, _ in listed} == TITLES
    assert {title: severity for title, _, severity in listed if severity} == {
        name: rule["labels"]["severity"] for name, rule in ALERTS.items()
    }


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_its_sections(name: str) -> None:
    """What it means, what to look at first, what is likely the cause, and how to end it, none of them empty."""
    parts = re.split(r"^## (.+)\n", PAGES[name], flags=re.MULTILINE)

    assert parts[1::2] == SECTIONS
    assert all(len(text.split()) >= 5 for text in parts[::2])


@pytest.mark.parametrize("name", PAGES)
def test_lines_of_the_log_are_those_of_operations(name: str) -> None:
    """What a page quotes of the program, docs/operations.md quotes too, where it is held against the source."""
    quoted = {piece.strip() for line in re.findall(r"“([^”]+)”", PAGES[name]) for piece in line.split("…")}

    assert [piece for piece in quoted if piece not in text_of("docs/operations.md")] == []


@pytest.mark.parametrize(("name", "query"), SQL, ids=[f"{name}-{i}" for i, (name, _) in enumerate(SQL)])
def test_queries_run(store: Store, name: str, query: str) -> None:
    """Each query is one that the store answers."""
    assert store.query(query).column_names, name


def test_expressions_are_promql(tmp_path: Path) -> None:
    """Prometheus takes each expression, and each metric in it is one that there is."""
    rules = [{"record": f"page:expression:{i}", "expr": expression} for i, (_, expression) in enumerate(PROMQL)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "pages", "rules": rules}]}))

    assert f"{len(PROMQL)} rules found" in promtool("check", "rules", tmp_path / "rules.yaml")
    assert {name: unknown_metrics(expression) for name, expression in PROMQL if unknown_metrics(expression)} == {}
