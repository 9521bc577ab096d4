"""What people should know about the samples and the classes of their dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.datasets.leakage import Fingerprint
from core.datasets.samples import Samples
from core.datasets.wording import listing, shown
from core.records import Finding

MAX_IMBALANCE = 5
"""The most frequent class may have this many times the samples of the rarest one."""


def describe_samples(
    samples: Samples,
    chosen: int,
    unreadable: dict[int, str],
    prints: Sequence[Fingerprint],
) -> tuple[Finding, ...]:
    """What was noticed while the samples were looked at.

    Args:
        samples: The dataset.
        chosen: How many of them were looked at.
        unreadable: Why some could not be read, by position in ``samples``.
        prints: The fingerprints of the others.
    """
    findings = []
    if chosen < len(samples.labels):
        findings.append(
            Finding(
                severity="info",
                code="subset",
                sentence=f"Of {len(samples.labels):,} samples {chosen:,} are used, chosen at "
                "random with the classes in proportion; more would change little.",
            )
        )
    if unreadable:
        names = listing(samples.name(index) for index in unreadable)
        findings.append(
            Finding(
                severity="warning",
                code="unreadable",
                sentence=f"Pictures that cannot be read are left out ({len(unreadable)}): {names}.",
            )
        )
    remarks = Counter(fingerprint.remark for fingerprint in prints)
    if remarks["turned"]:
        findings.append(
            Finding(
                severity="info",
                code="turned",
                sentence="Pictures were turned upright as their EXIF data says "
                f"({remarks['turned']}); see that your service does so too.",
            )
        )
    if remarks["not_finite"]:
        findings.append(
            Finding(
                severity="warning",
                code="not_finite",
                sentence="Samples hold NaN or infinite values, which most models answer with NaN: "
                f"{remarks['not_finite']}.",
            )
        )
    return tuple(findings)


def describe_classes(counts: NDArray[np.int64], names: Sequence[str]) -> tuple[Finding, ...]:
    """What the numbers of samples mean for the classes.

    Args:
        counts: Samples that accuracy can be measured on, shape ``(classes,)``.
        names: Of the classes, in the same order.
    """
    findings = []
    absent = int((counts == 0).sum())
    if absent:
        findings.append(
            Finding(
                severity="info",
                code="absent_classes",
                sentence=f"Of the model's {len(counts)} classes {absent} have no sample, so "
                "nothing is known of how they fare.",
            )
        )
    most = int(counts.argmax())
    least = int(np.where(counts > 0, counts, counts.max()).argmin())
    if counts[most] > MAX_IMBALANCE * counts[least]:
        findings.append(
            Finding(
                severity="info",
                code="imbalanced",
                sentence=f"The class {shown(names[most])} has {counts[most]:,} samples and "
                f"{shown(names[least])} has {counts[least]:,}, so accuracy mostly speaks of the "
                "frequent classes: look at balanced accuracy and the table of classes as well.",
            )
        )
    return tuple(findings)
