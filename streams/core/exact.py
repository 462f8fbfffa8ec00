"""
Exact sums: three floats (hi + lo + tail, about 159 bits) that add, subtract and merge without drifting.

Windows are corrected by subtracting what an event had added. With plain floats a corrected outlier leaves a
residue for ever, and a sum depends on the order of arrival; here order and corrections leave no trace at double
precision, not even the fourth power of a mistaken 1e9 among values near one. Sums within a block are error-free by
extraction (Rump, Ogita & Oishi 2008, algorithm 3.2: `q = (s + x) - s` splits x at the bit where any number of q's
adds without rounding); sums across blocks use two-sum (Knuth, TAOCP 2, 4.2.2 theorem B), in the order of
triple-double arithmetic (Lauter 2005). Products and quotients are for formulas: they use two parts (Dekker 1971).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SPLITTER = 134217729.0  # 2**27 + 1
_LANES = 3  # extracted exactly; what is left is below 2**-105 of the largest term and is summed plainly


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return s = fl(a + b) and the rounding error e, with s + e == a + b exactly."""
    s = a + b
    b_virtual = s - a
    return s, (a - (s - b_virtual)) + (b - b_virtual)


def two_product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return p = fl(a * b) and the rounding error e, with p + e == a * b exactly (barring overflow)."""
    p = a * b
    a_hi = _SPLITTER * a - (_SPLITTER * a - a)
    b_hi = _SPLITTER * b - (_SPLITTER * b - b)
    a_lo, b_lo = a - a_hi, b - b_hi
    return p, ((a_hi * b_hi - p) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo


@dataclass(frozen=True, slots=True)
class Exact:
    """
    An array of unevaluated sums hi + lo + tail, each part at most an ulp of the one before it, any shape.

    >>> x = Exact.of(np.array([1e16])) + Exact.of(np.array([1.0])) - Exact.of(np.array([1e16]))
    >>> x.value().tolist()
    [1.0]
    """

    hi: Floats
    lo: Floats
    tail: Floats

    @staticmethod
    def of(values: Floats | float) -> Exact:
        """Wrap plain floats, which are exact as they are."""
        hi = np.asarray(values, dtype=np.float64)
        return Exact(hi, np.zeros_like(hi), np.zeros_like(hi))

    @staticmethod
    def normal(hi: Floats, lo: Floats, tail: Floats | float = 0.0) -> Exact:
        """Make parts that overlap non-overlapping again; each is smaller than the one before it."""
        lo, tail = two_sum(lo, np.broadcast_to(np.asarray(tail, np.float64), lo.shape))
        hi, lo = two_sum(hi, lo)
        lo, tail = two_sum(lo, tail)
        return Exact(hi, lo, tail)

    def value(self) -> Floats:
        """The nearest plain floats."""
        return self.hi + (self.lo + self.tail)

    def __add__(self, other: Exact) -> Exact:
        hi, carry = two_sum(self.hi, other.hi)
        lo, rest = two_sum(self.lo, other.lo)
        lo, lost = two_sum(lo, carry)
        return Exact.normal(hi, lo, self.tail + other.tail + rest + lost)

    def __neg__(self) -> Exact:
        return Exact(-self.hi, -self.lo, -self.tail)

    def __sub__(self, other: Exact) -> Exact:
        return self + -other

    def __mul__(self, other: Exact) -> Exact:
        p, e = two_product(self.hi, other.hi)
        return Exact.normal(p, e + self.hi * other.lo + self.lo * other.hi)

    def __truediv__(self, other: Exact) -> Exact:
        """Quotient by three steps of long division; division by zero gives NaN or infinity, as with floats."""
        q1 = self.hi / other.hi
        r = self - other * Exact.of(q1)
        q2 = r.hi / other.hi
        r = r - other * Exact.of(q2)
        return Exact.of(q1) + Exact.of(q2) + Exact.of(r.hi / other.hi)


def segment_sums(values: Floats, starts: Ints, lengths: Ints) -> Exact:
    """
    Sum consecutive segments of `values` (shape (n,)), each of `lengths[i] > 0` rows from `starts[i]`, exactly.

    >>> segment_sums(np.array([1e16, 1.0, -1e16, 2.0]), np.array([0, 3]), np.array([3, 1])).value().tolist()
    [1.0, 2.0]
    """
    if _are_small_integers(values):
        return Exact.of(np.add.reduceat(values, starts))
    largest = np.maximum.reduceat(np.abs(values), starts)
    # A power of two above (n + 2) * max|x| of the segment: adding it cuts every x of the segment at one bit.
    exponent = np.frexp(largest)[1] + np.frexp(lengths + 2.0)[1]
    sums, rest = [], values
    for _ in range(_LANES):
        cut = np.repeat(np.ldexp(1.0, exponent), lengths)
        head = (cut + rest) - cut
        rest = rest - head
        sums.append(np.add.reduceat(head, starts))
        exponent = exponent - 53 + np.frexp(lengths + 2.0)[1]
    return Exact.normal(*sums) + Exact.of(np.add.reduceat(rest, starts))


def _are_small_integers(values: Floats) -> bool:
    """Counts, which are most columns, need no splitting to add exactly."""
    return bool(np.abs(values).max() * len(values) < 2.0**53 and np.array_equal(values, np.rint(values)))
