"""
What river's detectors know, field by field, as plain data.

Only what decides the values to come is kept, each under the name that river gives it; parameters are not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streams.core.detect.stream.adwin_window import load_window, save_window


@dataclass(frozen=True)
class Field:
    """
    One field of a detector.

    `save` turns it into plain data. `load` is given the field of a new detector and that data, and returns what the
    field has to become.
    """

    name: str
    save: Callable[[Any], Any]
    load: Callable[[Any, Any], Any]


def plain(*names: str) -> tuple[Field, ...]:
    """Numbers, switches, or nothing, which are plain data already."""
    return tuple(Field(name, lambda value: value, lambda _, saved: saved) for name in names)


def mean(name: str) -> Field:
    """Running mean: how many values, and their mean."""
    return Field(name, lambda value: {"n": value.n, "mean": value.get()}, _load_mean)


def variance(name: str) -> Field:
    """Running variance: a running mean, and the sum of squared deviations from it."""
    return Field(name, _save_variance, _load_variance)


def sample(name: str) -> Field:
    """One of HDDM-W's samples: an exponentially weighted mean, and the sum of its squared weights."""
    return Field(name, _save_sample, _load_sample)


def window(name: str) -> Field:
    """Last values."""
    return Field(name, np.array, lambda new, saved: deque(np.asarray(saved).tolist(), maxlen=new.maxlen))


def generator(name: str) -> Field:
    """Mersenne Twister of Python: its 624 words, then the place in them."""
    return Field(name, lambda value: np.array(value.getstate()[1], np.uint32), _load_generator)


def adwin(name: str) -> Field:
    """ADWIN's window."""
    return Field(name, save_window, load_window)


def save(detector: object, fields: tuple[Field, ...]) -> dict[str, Any]:
    """Read every field that a detector has."""
    return {f.name: f.save(getattr(detector, f.name)) for f in fields if hasattr(detector, f.name)}


def load(detector: object, fields: tuple[Field, ...], saved: Mapping[str, Any]) -> None:
    """
    Set every field of a new detector.

    Raises
    ------
    ValueError
        The snapshot has other fields than the detector.

    """
    mine = [field for field in fields if hasattr(detector, field.name)]
    if {field.name for field in mine} != set(saved):
        raise ValueError(
            f"the snapshot has the fields {', '.join(sorted(saved))}, not {', '.join(sorted(f.name for f in mine))}: "
            "start the detector anew"
        )
    for field in mine:
        setattr(detector, field.name, field.load(getattr(detector, field.name), saved[field.name]))


def _load_mean(new: Any, saved: Mapping[str, Any]) -> Any:
    return type(new)._from_state(saved["n"], saved["mean"])  # noqa: SLF001 - river's own way to make one


def _save_variance(value: Any) -> dict[str, float]:
    return {"n": value.n, "mean": value.mean.get(), "squares": value._S}  # noqa: SLF001 - it has no name outside


def _load_variance(new: Any, saved: Mapping[str, Any]) -> Any:
    new.mean = _load_mean(new.mean, saved)
    new._S = saved["squares"]  # noqa: SLF001 - river's own way divides and multiplies, which changes the last digits
    return new


def _save_sample(value: Any) -> dict[str, Any]:
    return {"mean": value.ewma, "squared_weights": value.ibc, "begun": value.is_init}


def _load_sample(new: Any, saved: Mapping[str, Any]) -> Any:
    if saved["begun"]:
        new.update(saved["mean"])  # the first value becomes the mean as it is
    new._ibc = saved["squared_weights"]  # noqa: SLF001 - it has no setter
    return new


def _load_generator(new: Any, saved: Any) -> Any:
    version, _, gauss = new.getstate()
    new.setstate((version, tuple(np.asarray(saved).tolist()), gauss))
    return new
