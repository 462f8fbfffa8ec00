"""Every statistical promise, simulated in its short form."""

from __future__ import annotations

import json

import pytest

from tests.statistical.document import RESULTS
from tests.statistical.scenario import Result, Scenario, measure
from tests.statistical.scenarios import SCENARIOS
from tests.statistical.table import SEED, exit_code, main


def of_kind(kind: str) -> list[Scenario]:
    return [one for one in SCENARIOS if one.kind == kind]


def simulated(scenario: Scenario) -> tuple[Result, str]:
    """What was measured, and how it is seen again."""
    result = measure(scenario, scenario.paths[0], SEED)
    again = f".venv/bin/python -m tests.statistical.table --only {scenario.name} --paths {result.paths} --seed {SEED}"
    return result, f"{result.measured:.4f} of paths, at most {result.most:.4f}; to see it again: {again}"


@pytest.mark.parametrize("scenario", of_kind("promise"), ids=lambda one: one.name)
def test_promise_is_kept(scenario: Scenario) -> None:
    """No more paths go wrong than is promised, and 4 standard errors of that."""
    result, told = simulated(scenario)

    assert not result.broken, told


def test_every_promise_was_kept_at_length() -> None:
    """The long form, whose numbers docs/statistics.md has, found no promise broken."""
    found = json.loads(RESULTS.read_text(encoding="utf-8"))["scenarios"]

    assert [one["name"] for one in found if Result(**one).broken] == []


@pytest.mark.parametrize("scenario", of_kind("contrast"), ids=lambda one: one.name)
def test_what_nobody_should_do_goes_wrong(scenario: Scenario) -> None:
    """A test for one look that is looked at again and again errs far more often: these simulations can see that."""
    result, told = simulated(scenario)

    assert result.measured > result.most, told


def test_names_are_their_own() -> None:
    """No two scenarios have one name."""
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS)


def test_a_seed_gives_the_same_paths_again() -> None:
    """What is measured follows from the scenario, the paths and the seed, and from nothing else."""
    scenario = SCENARIOS[0]
    first, again, other = (measure(scenario, 50, seed) for seed in (1, 1, 2))

    assert first == again
    assert first.paths == other.paths == 50


def result_of(measured: float, kind: str = "promise") -> Result:
    return Result("a", "b", "c", kind, 0.05, 10, 1000, measured, 0.007)  # type: ignore[arg-type]


def test_the_command_ends_with_1_if_a_promise_is_broken() -> None:
    """Within 4 standard errors, 0.0276 here, a promise is kept; limits and contrasts are none."""
    assert [result_of(rate).verdict for rate in (0.02, 0.0775, 0.0777)] == ["kept", "kept", "broken"]
    assert exit_code([result_of(0.02), result_of(0.0777)]) == 1
    assert exit_code([result_of(0.02), result_of(0.9, "limit"), result_of(0.9, "contrast")]) == 0


def test_the_command_shows_what_it_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each scenario that is asked for, and 0: a contrast is no promise."""
    code = main(["--only", "naive-z-20", "--paths", "100"])

    assert code == 0
    assert "naive-z-20" in capsys.readouterr().out
