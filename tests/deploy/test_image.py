"""deploy/Dockerfile: what goes into the image, from where, and who runs it."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

from deploy.part_of_lock import normal, part_of, roots
from tests.deploy.reading import ROOT, text_of

PROJECT = text_of("pyproject.toml")
LOCK = text_of("requirements.lock")
IGNORED = [line for line in text_of(".dockerignore").splitlines() if line and not line.startswith("#")]


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments, continued lines joined."""
    lines = [line for line in text_of("deploy/Dockerfile").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


INSTRUCTIONS = instructions()
LAST_STAGE = INSTRUCTIONS[max(i for i, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]
COMMANDS = [command.strip() for word, rest in INSTRUCTIONS if word == "RUN" for command in rest.split("&&")]


def copied() -> Iterator[str]:
    """Files and folders of the project that are copied into the image."""
    for word, rest in INSTRUCTIONS:
        if word == "COPY" and not rest.startswith("--from"):
            yield from rest.split()[:-1]


def sent(path: str) -> bool:
    """Whether .dockerignore lets a path through: the last pattern that fits it, or a folder above it, decides."""
    above = [path.rsplit("/", cut)[0] for cut in range(path.count("/") + 1)]
    answer = True
    for pattern in IGNORED:
        if any(fnmatch.fnmatchcase(part, pattern.lstrip("!").replace("**/", "*")) for part in above):
            answer = pattern.startswith("!")
    return answer


def last(word: str) -> str:
    return [rest for found, rest in LAST_STAGE if found == word][-1]


def test_what_is_copied_is_there_and_sent() -> None:
    """Each file that the image takes exists and gets past .dockerignore; secrets and history do not."""
    assert sorted(copied()) == sorted(set(copied()))
    assert not [path for path in copied() if not (ROOT / path).exists() or not sent(path)]
    assert sent("streams/cli.py")
    assert not [path for path in (".env", ".git", ".venv", "tests", "streams/__pycache__/cli.pyc") if sent(path)]


def test_nothing_is_installed_without_its_hash() -> None:
    """What pip takes from an index has the hash of the lock file and is built; what has none is our own wheel."""
    installs = [command for command in COMMANDS if re.match(r"pip\b", command)]

    assert len(installs) == 4
    for command in installs:
        assert ("--require-hashes" in command and "--only-binary :all:" in command) != ("--no-index" in command), (
            command
        )


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The last stage has a fixed user that is not root, no compiler or package manager's work, and one program."""
    assert last("USER") == "10001:10001"
    assert last("ENTRYPOINT") == '["streams"]'
    assert "streams" in tomllib.loads(PROJECT)["project"]["scripts"]
    assert last("HEALTHCHECK") == "NONE"
    assert not re.search(r"apt|pip|gcc|curl", " ".join(rest for word, rest in LAST_STAGE if word == "RUN"))


def test_both_stages_have_the_oldest_python_that_we_support() -> None:
    """Stages start from one image, of the Python that continuous integration runs the tests on."""
    (python,) = [rest for word, rest in INSTRUCTIONS if word == "ARG"]
    oldest = tomllib.loads(PROJECT)["project"]["requires-python"].removeprefix(">=")

    assert [rest.split()[0] for word, rest in INSTRUCTIONS if word == "FROM"] == ["${PYTHON}"] * 2
    assert re.fullmatch(rf"PYTHON=python:{re.escape(oldest)}-slim-\w+", python)


def names(part: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)==", part, re.MULTILINE))


def needed_here() -> set[str]:
    """Return what the installed packages say that `streams` needs to run on this machine, however indirectly."""
    found: set[str] = set()
    waiting = [("streams", "")]
    while waiting:
        package, extra = waiting.pop()
        for requirement in map(Requirement, requires(package) or []):
            name = normal(requirement.name)
            if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": extra})):
                found.add(name)
                waiting += [(name, wanted) for wanted in ("", *sorted(requirement.extras))]
    return found


def test_the_runtime_part_of_the_lock_is_complete() -> None:
    """It has all that the packages themselves ask for, and nothing that only the demo or developers want."""
    part = names(part_of(LOCK, roots(PROJECT, "runtime")))
    extras = tomllib.loads(PROJECT)["project"]["optional-dependencies"]

    assert needed_here() <= part
    assert not part & {normal(requirement) for wanted in extras.values() for requirement in wanted}
    assert part < names(LOCK)


def test_only_what_is_wanted_is_taken() -> None:
    """A package is taken for one that wants it, whether it has one line of reasons or several, and for no other."""
    entries = {
        "base": "base==1 \\\n    --hash=sha256:0\n    # via\n    #   other\n    #   ours\n",
        "deep": "deep==1 ; python_version < '4' \\\n    --hash=sha256:1\n    # via base\n",
        "deep-other": "deep-other==1 \\\n    --hash=sha256:2\n    # via other\n",
        "other": "other==1 \\\n    --hash=sha256:3\n    # via streams (pyproject.toml)\n",
        "ours": "ours==1 \\\n    --hash=sha256:4\n    # via streams (pyproject.toml)\n",
    }

    assert part_of("".join(entries.values()), ["ours"]) == entries["base"] + entries["deep"] + entries["ours"]


def test_entries_are_taken_whole() -> None:
    """Each entry has its version and hashes as in the lock file, and both versions of one that has two."""
    part = part_of(LOCK, roots(PROJECT, "runtime"))

    assert all(entry in LOCK for entry in re.split(r"(?m)^(?=\S)", part))
    assert part.count("\nnumpy==") == LOCK.count("\nnumpy==")
    assert len(re.findall(r"^\S+==", part, re.MULTILINE)) == len(re.findall(r"==.*(?:\n    --hash.*)+", part))


def test_what_builds_the_wheel_is_locked() -> None:
    """The build part holds the build system of pyproject.toml with what that needs."""
    assert {"hatchling", "pathspec", "pluggy"} <= names(part_of(LOCK, roots(PROJECT, "build")))


def test_what_is_not_locked_is_named() -> None:
    """A dependency without an entry is an error that says what to do."""
    with pytest.raises(ValueError, match=r"not in requirements\.lock: absent; write it again with `make lock`"):
        part_of(LOCK, ["numpy", "absent"])


@pytest.mark.parametrize(("arguments", "code"), [(["runtime"], 0), (["build"], 0), (["all"], 1), ([], 1)])
def test_the_program_prints_a_part(arguments: list[str], code: int) -> None:
    """Run as the Dockerfile runs it, it prints the part; for another it fails and prints nothing."""
    command = [sys.executable, "deploy/part_of_lock.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603

    assert done.returncode == code
    assert bool(done.stdout) == (code == 0)
    assert bool(done.stderr) == (code == 1)
