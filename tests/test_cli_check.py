"""`streams check` and `streams schema check`: everything that is wrong, at once."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from streams.codecs.registry import default_schema_dir
from tests.conftest import Run

BAD = """
disordr: 1h
models:
  fraud:
    task: binry
  churn:
    task: binary
    positive: "1"
    windows: [1d, 1h/7m]
    metrics: [acuracy]
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_good_configuration(cli: Run, tmp_path: Path) -> None:
    """A configuration without problems is said to be so, exit code 0."""
    path = write(tmp_path / "good.yaml", "models: {fraud: {task: none}, churn: {task: regression}}")
    ran = cli("check", "--config", path)

    assert (ran.code, ran.out, ran.err) == (0, f"{path}: no problems; models: fraud, churn\n", "")


def test_documented_configuration_is_good(cli: Run, tmp_path: Path) -> None:
    """Every example of docs/configuration.md that is a whole file passes."""
    text = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text()
    examples: list[str] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)

    assert len(examples) >= 2
    for number, example in enumerate(examples):
        assert cli("check", "--config", write(tmp_path / f"{number}.yaml", example)).code == 0


def test_every_problem_on_its_own_line(cli: Run, tmp_path: Path) -> None:
    """Each problem is a line with its path in the file, its line and a suggestion; exit code 2, nothing on stdout."""
    path = write(tmp_path / "bad.yaml", BAD)
    ran = cli("check", "--config", path)
    first, *problems = ran.err.splitlines()

    assert (ran.code, ran.out) == (2, "")
    assert first == f"error: {path}: 4 problems:"
    for problem, (place, line, suggestion) in zip(
        problems,
        [
            ("disordr", 2, "did you mean `disorder`?"),
            ("models.fraud.task", 5, "did you mean `binary`?"),
            ("models.churn.windows[1]", 9, "the slide (after the slash) must divide the size"),
            ("models.churn.metrics[0]", 10, "did you mean `accuracy`?"),
        ],
        strict=True,
    ):
        assert problem.startswith(f"  {place} (line {line}): ")
        assert suggestion in problem


@pytest.mark.parametrize("text", ["", "models: {", "- a", "models: {a: {task: none}, a: {task: none}}", "\x00", "1"])
def test_what_is_no_configuration(cli: Run, tmp_path: Path, text: str) -> None:
    """Files that are empty, not YAML or not a mapping, and keys that come twice, end in an error and exit code 2."""
    path = write(tmp_path / "c.yaml", text)
    ran = cli("check", "--config", path)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"error: {path}: ")
    assert len(ran.err.splitlines()) == 1


def test_missing_configuration(cli: Run, tmp_path: Path) -> None:
    """A configuration that does not exist, or is a directory, is named with the reason; exit code 2."""
    for path, reason in ((tmp_path / "nope.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        ran = cli("check", "--config", path)

        assert (ran.code, ran.out) == (2, "")
        assert ran.err == f"error: {path}: cannot be read: {reason}\n"


def test_shipped_schemas_are_compatible(cli: Run) -> None:
    """The project's own schemas pass."""
    ran = cli("schema", "check")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{default_schema_dir()}: every schema is compatible with its landed versions\n"


def test_incompatible_schemas(cli: Run, tmp_path: Path) -> None:
    """New fields without a default in two schemas are told together, each with file and field; exit code 2."""
    directory = tmp_path / "schemas"
    shutil.copytree(default_schema_dir(), directory)
    outcome, feedback = (json.loads((directory / f"{name}.avsc").read_text()) for name in ("outcome", "feedback"))
    outcome["fields"].append({"name": "annotator", "type": "string"})
    feedback["fields"].append({"name": "page", "type": "string"})
    (directory / "outcome.avsc").write_text(json.dumps(outcome))
    (directory / "feedback.avsc").write_text(json.dumps(feedback))
    ran = cli("schema", "check", "--dir", directory)
    first, *problems = ran.err.splitlines()

    assert (ran.code, ran.out) == (2, "")
    assert first.startswith(f"error: {directory}: ")
    assert any(
        problem.startswith("  outcome.avsc cannot read") and "field annotator" in problem for problem in problems
    )
    assert any(problem.startswith("  feedback.avsc cannot read") and "field page" in problem for problem in problems)


def test_schemas_that_are_not_there(cli: Run, tmp_path: Path) -> None:
    """A directory without schemas is an error that names what is missing; exit code 2."""
    ran = cli("schema", "check", "--dir", tmp_path)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert str(tmp_path / "prediction.avsc") in ran.err
    assert "Traceback" not in ran.err
