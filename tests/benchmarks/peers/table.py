"""The comparison as a Markdown table."""

from __future__ import annotations

from core.records import Ratio
from tests.benchmarks.peers.measure import Measured, Row
from tests.benchmarks.peers.ours import OURS

_HEAD = (
    "tool",
    "recipe",
    "version",
    "seconds",
    "peak RSS",
    "size",
    "p50 speed-up",
    "drop, points",
    "agreement",
    "status",
)
_WORDS = {"pass": "keeps", "fail": "loses more", "undecided": "undecided"}


def render(measured: Measured, baseline_bytes: int) -> str:
    """All rows, the fastest that keeps the accuracy first, failures last."""
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    lines += [_line(_cells(row, baseline_bytes)) for row in sorted(measured.rows, key=_order)]
    return "\n".join(lines)


def conclude(measured: Measured) -> str:
    """How ours stands to the fastest of the others that loses no more than it."""
    ours = next((row for row in measured.rows if row.entry.tool == OURS), None)
    if ours is None or ours.latency is None or ours.accuracy is None:
        return "Ours was not measured."
    most = ours.accuracy.drop_points.value
    rivals = [
        row
        for row in measured.rows
        if row.entry.tool != OURS
        and row.latency is not None
        and row.accuracy is not None
        and row.accuracy.drop_points.value <= most
    ]
    if not rivals:
        return f"None of the others keeps the drop to {most:.2f} points."
    best = max(rivals, key=lambda row: row.latency.speedup.ratio)
    mine, theirs = ours.latency.speedup, best.latency.speedup
    if mine.low > theirs.high:
        stands = "faster than"
    elif mine.high < theirs.low:
        stands = "slower than"
    else:
        stands = "level with"
    return (
        f"Ours ({_speed(mine)}) is {stands} the fastest that loses no more: "
        f"{best.entry.tool}, {best.entry.recipe} ({_speed(theirs)})."
    )


def _speed(speed: Ratio) -> str:
    return f"{speed.ratio:.2f}x [{speed.low:.2f}, {speed.high:.2f}]"


def _order(row: Row) -> tuple[int, float]:
    if row.speedup is None or row.accuracy is None:
        return 3, 0.0
    rank = {"pass": 0, "undecided": 1, "fail": 2}[row.accuracy.gate]
    return rank, -row.speedup.ratio


def _cells(row: Row, baseline_bytes: int) -> list[str]:
    entry = row.entry
    cells = [
        f"**{entry.tool}**" if entry.tool == OURS else entry.tool,
        entry.recipe,
        entry.version,
        "" if entry.seconds is None else f"{entry.seconds:.1f}",
        "" if entry.peak_rss_bytes is None else f"{entry.peak_rss_bytes / 1e9:.2f} GB",
    ]
    if row.speedup is None or row.accuracy is None:
        return [*cells, "", "", "", "", entry.failure]
    drop, full = row.accuracy.drop_points, row.latency is not None
    return [
        *cells,
        f"{entry.size_bytes / baseline_bytes:.3f}x",
        _speed(row.speedup) if full else f"about {row.speedup.ratio:.2f}x",
        f"{drop.value:.2f} [{drop.low:.2f}, {drop.high:.2f}]",
        f"{row.accuracy.agreement:.1%}",
        _WORDS[row.accuracy.gate],
    ]


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
