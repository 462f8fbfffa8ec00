"""Reads YAML keeping the line of everything, so that problems can be listed in the order of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import yaml

from streams.config.problems import Problem, Where, shown

_TAG = "tag:yaml.org,2002:"
_PLAIN_KEY = re.compile(r"[\w-]+")
_SCALARS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    _TAG + "null": (r"null|~|", lambda _: None),
    _TAG + "bool": (r"true|false", "true".__eq__),
    _TAG + "int": (r"-?(?:0|[1-9][0-9]*)", int),
    _TAG + "float": (r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", float),
    _TAG + "str": (r".*", str),
}


@dataclass(frozen=True)
class Document:
    """A parsed file: its data, the line of every path in it, and what was wrong with it as YAML."""

    data: object
    lines: Mapping[Where, int]
    problems: tuple[Problem, ...]

    def report(self, problems: Iterable[Problem]) -> list[str]:
        """Write problems in the order of the file, one line each."""
        placed = sorted(((self._line(where), where, text) for where, text in problems), key=lambda item: item[0])
        return [
            " ".join((f"{_path(where)} (line {line}): {text}" if where else f"{text}").splitlines())
            for line, where, text in placed
        ]

    def _line(self, where: Where) -> int:
        """Line of a path, or of the nearest thing above it that is in the file."""
        above = (self.lines[where[:depth]] for depth in range(len(where), -1, -1) if where[:depth] in self.lines)
        return next(above, 0)


def read_document(text: str) -> Document:
    """
    Read YAML in which keys are text and only `true`, `false`, `null` and plain decimal numbers are not text.

    So `yes`, `no`, `on`, `off`, `010`, `1:30` and dates stay what was written, unlike in YAML 1.1.
    Data is None when the file is empty or cannot be read, and the problems say why.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
        reader = _Reader()
        data = None if node is None else reader.read(node, ())
    except yaml.YAMLError as error:
        return Document(None, {}, (((), f"not YAML{_syntax(error)}"),))
    except RecursionError:
        return Document(None, {}, (((), "nested too deeply, or an alias in it refers to itself"),))
    if data is None and not reader.problems:
        reader.problems.append(((), "empty: declare at least one model under `models`"))
    return Document(data, reader.lines, tuple(reader.problems))


def _path(where: Where) -> str:
    """Write a path as `models.fraud.windows[1]`, keys that are not words in quotes."""
    parts = [f"[{part}]" if isinstance(part, int) else "." + _key(part) for part in where]
    return "".join(parts).removeprefix(".")


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else shown(key)


def _syntax(error: yaml.YAMLError) -> str:
    """Say where and why YAML could not be read, counting lines and columns from 1."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return f": {error}"
    what = ", ".join(part for part in (error.context, error.problem) if part)
    return f" at line {mark.line + 1}, column {mark.column + 1}: {what}"


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars as `read_document` says."""

    def resolve(self, kind: type[yaml.Node], value: str, implicit: tuple[bool, bool]) -> str:
        if kind is not yaml.ScalarNode:
            return _TAG + ("map" if kind is yaml.MappingNode else "seq")
        fitting = (tag for tag, (pattern, _) in _SCALARS.items() if implicit[0] and re.fullmatch(pattern, value))
        return next(fitting, _TAG + "str")


class _Reader:
    """Turns nodes into data, noting the line of every path and the problems on the way."""

    def __init__(self) -> None:
        self.lines: dict[Where, int] = {}
        self.problems: list[Problem] = []

    def read(self, node: yaml.Node, where: Where) -> object:
        self.lines[where] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.read(item, (*where, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node, where)
        self.problems.append((where, f"the tag `{node.tag}` means nothing here: remove it"))
        return None

    def _scalar(self, node: yaml.ScalarNode, where: Where) -> object:
        try:
            return _SCALARS[node.tag][1](self._text(node, where))
        except ValueError:
            self.problems.append((where, f"{shown(node.value)} is not what its tag `{node.tag}` says"))
            return None

    def _text(self, node: yaml.ScalarNode, where: Where) -> str:
        """Join characters that were escaped as two surrogates, as JSON does; half of one is a problem."""
        raw: bytes = node.value.encode("utf-16", "surrogatepass")
        text = raw.decode("utf-16", "replace")
        if text.encode("utf-16") != raw:
            line = node.start_mark.line + 1
            self.problems.append((where, f"{shown(text)} on line {line} has an escape of half a character"))
        return text

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, object]:
        data: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append((where, f"the key on line {line} is a list or a mapping: a key must be text"))
                continue
            key = self._text(key_node, where)
            if key in data:
                self.problems.append(((*where, key), f"the key is there again on line {line}: keep one of the two"))
                continue
            data[key] = self.read(value_node, (*where, key))
            self.lines[*where, key] = line
        return data
