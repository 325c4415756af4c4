"""Parts that never divide a group, and what becomes of figures where they do."""

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.groups import grouped
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.settings.data import DataConfig


def walkers(persons=12, windows=20, seed=0):
    """Overlapping windows of two gaits: a person's own swing is far louder than the gait."""
    rng = np.random.default_rng(seed)
    x, y, who = [], [], []
    for person in range(persons):
        for gait in (0, 1):
            own = rng.normal(size=16)  # of this recording alone
            for i in range(windows):
                x.append(own + 0.3 * rng.normal(size=16) + 0.4 * gait * np.sin(np.arange(16)))
                y.append(gait)
                who.append(f"person {person}")
                del i
    return np.array(x, np.float32)[..., None], np.array(y), np.array(who)


def nearest_neighbour(data, images, labels):
    """Accuracy of the nearest training sample's label: what a network that learns by heart has."""
    known = data.images[data.train].reshape(len(data.train), -1)
    found = [np.square(known - each.ravel()).sum(axis=1).argmin() for each in images]
    return float(np.mean(data.labels[data.train][found] == labels))


def parts(groups, seed=0):
    x, y, who = walkers()
    source = from_arrays(x, y, groups=who if groups else None)
    config = DataConfig(calibration_samples=20, split_seed=seed, test_fraction=0.25)
    data = load_training(config, source)
    return data, load_test(config, data, source), who


def test_no_group_is_in_two_parts():
    for seed in range(5):
        data, test, who = parts(groups=True, seed=seed)
        sides = [who[data.source_rows[rows]] for rows in (data.train, data.validation)]
        sides.append(who[test.rows])
        for i, one in enumerate(sides):
            for other in sides[i + 1 :]:
                assert not set(one) & set(other)
        assert 0.1 < len(test.rows) / len(who) < 0.4


def test_windows_that_are_divided_at_random_leak_and_whole_groups_do_not():
    leaking, fair = ([], [])
    for seed in range(3):
        for groups, found in ((False, leaking), (True, fair)):
            data, test, _ = parts(groups, seed)
            found.append(nearest_neighbour(data, test.images, test.labels))
    assert min(leaking) > 0.95  # the recording is known, so its gait is
    assert max(fair) < 0.75  # of a person who was never seen


def test_classes_keep_their_shares_where_groups_allow_it():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 10)
    labels = np.tile([0, 0, 0, 0, 0, 0, 1, 1, 1, 2], 20)
    rows = grouped(labels, groups, 50, rng, "test", "here")
    assert np.bincount(labels[rows]).tolist() == [30, 15, 5]


@pytest.mark.parametrize(
    ("labels", "groups", "said"),
    [
        ([0, 1, 0, 1], [1, 1, 1, 1], "all samples are of one group"),
        ([0, 0, 1, 1], [1, 1, 2, 2], "would be missing in the test part"),
    ],
)
def test_what_cannot_be_divided_by_groups_is_refused(labels, groups, said):
    with pytest.raises(DataError, match=f"here: .*{said}"):
        grouped(np.array(labels), np.array(groups), 2, np.random.default_rng(0), "test", "here")
