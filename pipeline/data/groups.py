"""Parts that never divide a group: a person, a machine, a day.

Windows of one recording overlap and resemble each other. Divided at random they stand on both
sides of a division, and what is measured there is how well a network knows the recording.
"""

from __future__ import annotations

import numpy as np

from hintlite.errors import DataError


def grouped(
    labels: np.ndarray,
    groups: np.ndarray,
    total: int,
    rng: np.random.Generator,
    part: str,
    place: str,
) -> np.ndarray:
    """Draws whole groups so that each class has about its share.

    Behind a first group by chance, the group is taken next that brings the classes' counts nearest
    to their shares, until none brings them nearer (as scikit-learn's StratifiedGroupKFold does).

    Args:
        labels: int64 [n].
        groups: [n], numbers or text.
        total: samples wanted; the part has about as many.
        rng: where chance comes from.
        part: what is drawn, for messages.
        place: where the samples come from, for messages.

    Returns:
        int64, sorted rows of labels.

    Raises:
        DataError: too few groups, or a class that only one side would have.
    """
    names, member = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        raise DataError(
            f"{place}: all samples are of one group, so that none is left for the {part} part; "
            "record others, or leave data.group out and take every figure for one of this group"
        )
    counts = np.zeros((len(names), int(labels.max()) + 1))
    np.add.at(counts, (member, labels), 1)
    wanted = counts.sum(axis=0) * (total / len(labels))
    chosen = _nearest(counts, wanted, rng.permutation(len(names)))
    inside = np.isin(member, chosen)
    for missing, where in ((labels[inside], part), (labels[~inside], "training")):
        without = np.setdiff1d(labels, missing)
        if len(without):
            raise DataError(
                f"{place}: class {without[0]} would be missing in the {where} part, since too few "
                f"groups have it ({len(names)} groups in all); record it in more groups, or try "
                "another data.split_seed or fraction"
            )
    return np.flatnonzero(inside)


def _nearest(counts: np.ndarray, wanted: np.ndarray, order: np.ndarray) -> list[int]:
    """The groups whose counts [groups, classes] add up to about those wanted [classes]."""
    first, *left = (int(group) for group in order)
    have, chosen = counts[first].copy(), [first]
    while len(left) > 1:
        apart = [float(np.abs(have + counts[group] - wanted).sum()) for group in left]
        best = int(np.argmin(apart))
        covered = ((have > 0) | (wanted == 0)).all()
        if covered and apart[best] >= np.abs(have - wanted).sum():
            break
        have = have + counts[left[best]]
        chosen.append(left.pop(best))
    return chosen


def check_apart(groups: np.ndarray, validation: np.ndarray, place: str) -> None:
    """Refuses a validation part of the source's own that shares groups with the training part.

    Args:
        groups: [n].
        validation: rows of it.
        place: where the samples come from, for messages.

    Raises:
        DataError: names one of the groups.
    """
    others = np.setdiff1d(np.arange(len(groups)), validation)
    shared = np.intersect1d(groups[validation], groups[others])
    if len(shared):
        raise DataError(
            f"{place}: group {shared[0]} is in the training and in the validation part; divide by "
            "groups, or leave data.group out"
        )
