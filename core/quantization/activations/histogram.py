"""A histogram of a stream of values whose extent is not known beforehand, in fixed memory.

The grid is even and symmetric around zero, and reaches to a power of two. A value beyond it
doubles the grid's reach as often as needed and merges neighbouring bins, so that counts stay exact
whatever the order in which values come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BINS = 8192
"""Half of them at least lie within the largest magnitude: twice as fine as onnxruntime's 2048."""
_SMALLEST_EXPONENT = -100
_CHUNK = 65_536
"""Values counted at a time, so that the passes over them stay in the CPU's cache."""
# Of a large array, the values between the tails are counted in a sample: one run of values that lie
# side by side, as the memory hands them out, in so many. Prime, as widths and channel counts are
# not: the sample would else be one column of the image.
_STRIDE = 17
_RUN = 16
_SAMPLED_FROM = 32_768
_TAIL = 0.001
"""Share of the values on each side that is counted in full; ten times what percentiles cut off."""
_KNOWN_FROM = 32
"""Arrays that are counted in full until the tails are known: one or two may be unlike the rest."""

Counts = NDArray[np.int64]
Values = NDArray[np.float32]


@dataclass(slots=True)
class Histogram:
    """Counts of finite values on an even grid from ``-reach`` to ``reach``.

    Attributes:
        reach: Outer end of the grid, a power of two; 0 while nothing was counted.
        counts: By bin, shape ``(BINS,)``.
    """

    reach: float = 0.0
    counts: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))
    _inner: tuple[float, float] | None = None
    """Between the tails; None while too little was seen to know."""
    _added: int = 0

    @property
    def edges(self) -> NDArray[np.float64]:
        """Borders of the bins, shape ``(BINS + 1,)``, ascending."""
        return np.linspace(-self.reach, self.reach, BINS + 1)

    def add(self, values: Values, lowest: float, highest: float) -> None:
        """Counts the values of a one-dimensional array.

        The first 32 arrays are counted in full. Of a later one that is large, one run of values in
        17 stands for those between the tails (0.1% on each side, going by what was counted before);
        the tails, on which percentiles depend, are still counted in full, and counts still add up
        to the number of values.

        Args:
            values: Finite.
            lowest: The least of them.
            highest: The largest of them.
        """
        self._stretch(max(-lowest, highest))
        if values.size < _SAMPLED_FROM or self._inner is None:
            self._count(values, self.counts)
        else:
            self._count_tails_and_sample(values, lowest, highest, *self._inner)
        self._added += 1
        if self._added >= _KNOWN_FROM and self._added.bit_count() == 1:
            self._inner = self._between_tails()

    def merge(self, other: Histogram) -> None:
        """Takes in the counts of another stream of values."""
        if other.reach > self.reach:
            self._grow(other.reach)
        if other.reach:
            factor = min(round(self.reach / other.reach), BINS)
            self.counts += other.counts if factor == 1 else _merged(other.counts, factor)

    def _count_tails_and_sample(
        self, values: Values, lowest: float, highest: float, low: float, high: float
    ) -> None:
        period, first = _RUN * _STRIDE, _RUN * (self._added % _STRIDE)
        whole = values[: values.size // period * period].reshape(-1, period)
        sample = whole[:, first : first + _RUN].reshape(-1)
        tails = values[:0]
        if lowest < low and highest > high:
            outer = values > high
            np.logical_or(outer, values < low, out=outer)
            tails = values[np.flatnonzero(outer)]
        elif highest > high:
            tails = values[np.flatnonzero(values > high)]
        elif lowest < low:
            tails = values[np.flatnonzero(values < low)]
        inner = sample[(sample >= low) & (sample <= high)]
        if inner.size == 0:
            self._count(values, self.counts)
            return
        sampled = np.zeros(BINS, np.int64)
        self._count(inner, sampled)
        self.counts += _scaled(sampled, values.size - tails.size)
        self._count(tails, self.counts)

    def _count(self, values: Values, counts: Counts) -> None:
        scale = np.float32(BINS / 2 / self.reach)
        middle = np.float32(BINS / 2)
        for start in range(0, values.size, _CHUNK):
            places = values[start : start + _CHUNK] * scale
            places += middle
            counts += np.bincount(places.astype(np.intp), minlength=BINS)

    def _stretch(self, extreme: float) -> None:
        """Makes room for a magnitude, and a little more so that none rounds out of the grid."""
        if extreme * (1 + 1e-3) < self.reach:
            return
        self._grow(2.0 ** max(int(np.frexp(extreme * (1 + 1e-3))[1]), _SMALLEST_EXPONENT))

    def _grow(self, reach: float) -> None:
        if self.reach:
            self.counts = _merged(self.counts, min(round(reach / self.reach), BINS))
        self.reach = reach

    def _between_tails(self) -> tuple[float, float]:
        total = np.cumsum(self.counts)
        edges = self.edges
        first = int(np.searchsorted(total, _TAIL * total[-1]))
        last = int(np.searchsorted(total, (1 - _TAIL) * total[-1]))
        return float(edges[first]), float(edges[last + 1])


def _scaled(counts: Counts, size: int) -> Counts:
    """Counts in the same proportions that add up to ``size``."""
    total = np.cumsum(counts)
    scaled: Counts = np.rint(total * (size / total[-1])).astype(np.int64)
    return np.diff(scaled, prepend=0)


def _merged(counts: Counts, factor: int) -> Counts:
    """Counts on a grid that reaches ``factor`` times as far, with bins as much wider."""
    half = BINS // 2
    starts = np.arange(0, half, factor)
    merged = np.zeros(BINS, np.int64)
    merged[half : half + starts.size] = np.add.reduceat(counts[half:], starts)
    merged[half - starts.size : half] = np.add.reduceat(counts[:half][::-1], starts)[::-1]
    return merged
