"""Whole procedures on simulated evaluations: search and confirm, and the shared gate."""

from functools import cache

import numpy as np

from core.accuracy.paired import bound_and_gate
from core.accuracy.shared_gate import holm_steps
from core.decision import choose
from core.records import Policy
from tests.accuracy.simulate import CONFIDENCE, draw_flips, flips, passes, simulate
from tests.decision import build

POLICY = Policy()
SEARCH, CONFIRM = build.SPLITS.search, build.SPLITS.confirm


@cache
def _candidate(number, lost, won):
    """A candidate with these flips on search; the later ones are faster."""
    drop, _ = bound_and_gate(lost, won, SEARCH, POLICY.max_drop_points, CONFIDENCE)
    bounds = {"low": drop.low, "value": drop.value, "high": drop.high}
    speed = build.latency(1.3 + 0.05 * number, 1.4 + 0.05 * number)
    return build.candidate(f"c{number:02}", drop=bounds, split="search", speed=speed)


def search_then_confirm(rng, truths, evaluations, alike=0.5):
    """Chooses among candidates on search as an evaluation does, and gates the choice on confirm.

    Returns:
        By evaluation: the chosen one (-1: none), whether it passed on confirm, and whether any
        would have passed on search.
    """
    labels, baseline, answers = simulate(rng, truths, SEARCH, evaluations, alike=alike)
    on_search = [flips(labels, baseline, candidate) for candidate in answers]
    lucky = np.any([passes(1.0, *counts, SEARCH) for counts in on_search], axis=0)
    chosen = np.full(evaluations, -1)
    for row in range(evaluations):
        found = (_candidate(k, int(b[row]), int(c[row])) for k, (b, c) in enumerate(on_search))
        name = choose((build.baseline(), *found), POLICY)
        chosen[row] = -1 if name is None else int(name[1:])
    passed = np.zeros(evaluations, dtype=bool)
    for number, truth in enumerate(truths):
        at = np.flatnonzero(chosen == number)
        if len(at):
            passed[at] = passes(1.0, *draw_flips(rng, truth, CONFIRM, len(at)), CONFIRM)
    return chosen, passed, lucky


def shared_gate(rng, truths, samples, evaluations, alike=0.5):
    """Which candidates pass where all are gated at once; ``(evaluations, candidates)``."""
    labels, baseline, answers = simulate(rng, truths, samples, evaluations, alike=alike)
    counts = np.stack([np.stack(flips(labels, baseline, each), axis=1) for each in answers], axis=1)
    rows, which = np.unique(counts.reshape(evaluations, -1), axis=0, return_inverse=True)
    gates = [_gates(tuple(map(tuple, row.reshape(-1, 2).tolist())), samples) for row in rows]
    return np.array(gates)[which.ravel()]


def _gates(counts, samples):
    steps = holm_steps(dict(enumerate(counts)), samples, POLICY.max_drop_points, CONFIDENCE)
    return [steps[number].gate == "pass" for number in range(len(counts))]
