"""The teacher's cached outputs: their values, their views, and trainings that read them."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from hintlite.errors import HintliteError
from hintlite.models.ensemble import ensemble
from hintlite.models.settings import NetworkConfig
from hintlite.models.student import build_student
from hintlite.models.taps import subnetwork
from hintlite.models.teacher import build_teacher
from hintlite.pipeline.cache.folder import CacheError, CacheFolder
from hintlite.pipeline.cache.taps import CachedTap, open_taps
from hintlite.pipeline.data.augment import MIRRORED, PLAIN, views
from hintlite.pipeline.data.batches import evaluation_batches, training_batches
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.sources.arrays import from_arrays
from hintlite.pipeline.methods.base import Sum, tap_shapes
from hintlite.pipeline.methods.hint import Hint
from hintlite.pipeline.methods.kd import KD
from hintlite.pipeline.settings.data import AugmentConfig, DataConfig
from hintlite.pipeline.settings.methods import HintConfig, KDConfig
from hintlite.pipeline.settings.training import TrainingConfig
from hintlite.pipeline.training.distiller import Distiller
from hintlite.pipeline.training.train import Job, Watcher, train

RNG = np.random.default_rng(0)
COUNT = 150
X = RNG.integers(0, 256, (COUNT, 8, 8, 1), dtype=np.uint8)
X[:, :, :4] //= 4  # left and right differ
Y = np.arange(COUNT) % 3
DATA = load_training(
    DataConfig(calibration_samples=6, normalization="standard"), from_arrays(X, Y, (X, Y))
)
FLIP = AugmentConfig(flip=True)
TAPS = ("stage1", "logits")
ROUNDING = 2.0**-10  # two halves of a float16 step: the rounding, and the teacher's own operations


def networks():
    keras.utils.set_random_seed(1)
    teacher = build_teacher(NetworkConfig(widths=(4, 6), depths=(1, 1)), (8, 8, 1), 3)
    # Statistics as after a training, so that folding them has something to do.
    rng = np.random.default_rng(7)
    for variable in teacher.non_trainable_variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    teacher.layers[-1].kernel.assign(30.0 * teacher.layers[-1].kernel)  # sure of its answers
    return teacher, build_student(NetworkConfig(widths=(3, 4), depths=(1, 1)), (8, 8, 1), 3)


@pytest.fixture(scope="module")
def teacher():
    return networks()[0]


@pytest.fixture(scope="module")
def opened(teacher, tmp_path_factory):
    """Both taps in both views, with the folder that they are in."""
    folder = CacheFolder(tmp_path_factory.mktemp("cache"))
    return folder, open_all(folder, teacher)


def open_all(folder, teacher, data=DATA, taps=TAPS, augmentation=FLIP, **more):
    return open_taps(
        folder, teacher=teacher, data=data, taps=taps, views=views(augmentation), **more
    )


def live(teacher, tap, images):
    return subnetwork(teacher, [tap])(images, training=False)[tap].numpy()


def files(folder):
    return sorted(path.name for path in folder.path.glob("*.npy"))


@pytest.mark.parametrize("tap", TAPS)
@pytest.mark.parametrize("view", [PLAIN, MIRRORED])
def test_values_are_the_teachers_rounded_to_float16(teacher, opened, tap, view):
    mean, std = DATA.normalization.mean, DATA.normalization.std
    images = ((X[:, :, ::-1] if view == MIRRORED else X) - np.array(mean)) / np.array(std)
    expected = live(teacher, tap, images.astype(np.float32))
    stored = opened[1].cached[tap].views[view]
    assert stored.dtype == np.float16
    assert stored.shape == expected.shape
    np.testing.assert_allclose(stored, expected, rtol=ROUNDING, atol=1e-4)
    other = opened[1].cached[tap].views[1 - view]
    assert np.abs(other - expected).max() > 0.1  # the views differ, so a mix-up would be seen


def test_each_sample_comes_with_the_view_that_it_was_given(teacher, opened):
    lookups = {f"teacher:{tap}": opened[1].cached[tap] for tap in TAPS}
    batches = training_batches(
        DATA, DATA.train, batch_size=32, seed=5, augmentation=FLIP, epochs=2, extras=lookups
    )
    shapes = batches.element_spec[0]
    assert shapes["teacher:stage1"].shape.as_list() == [None, *tap_shapes(teacher)["stage1"][1:]]
    mirrored, noticed = 0, dict.fromkeys(TAPS, 0)
    for x, _ in batches.as_numpy_iterator():
        plain = DATA.normalized(x["index"])
        mirrored += (x["image"] != plain).any(axis=(1, 2, 3)).sum()
        for tap in TAPS:
            expected = live(teacher, tap, x["image"])
            np.testing.assert_allclose(x[f"teacher:{tap}"], expected, rtol=ROUNDING, atol=1e-4)
            wrong = live(teacher, tap, x["image"][:, :, ::-1])
            beyond = np.abs(x[f"teacher:{tap}"] - wrong) > 1e-4 + ROUNDING * np.abs(wrong)
            noticed[tap] += beyond.reshape(len(wrong), -1).any(axis=1).sum()
    total = 2 * len(DATA.train)
    assert 0.4 < mirrored / total < 0.6
    assert noticed["stage1"] == total  # the other view would fail the comparison above
    assert noticed["logits"] > 0.9 * total  # some show no feature of the last stage either way


def test_validation_reads_the_plain_view(teacher, opened):
    lookups = {"teacher:logits": opened[1].cached["logits"]}
    rows = DATA.validation
    batches = evaluation_batches(X, Y, rows, 7, DATA.normalization, lookups)
    found = np.concatenate([x["teacher:logits"] for x, _ in batches.as_numpy_iterator()])
    expected = live(teacher, "logits", DATA.normalized(rows))
    np.testing.assert_allclose(found, expected, rtol=ROUNDING, atol=1e-4)


@pytest.mark.parametrize(
    ("augmentation", "count"),
    [({}, 1), ({"flip": True}, 2), ({"shift": 1}, None), ({"flip": True, "cutout": 2}, None)],
)
def test_only_flips_can_be_listed(augmentation, count):
    listed = views(AugmentConfig(**augmentation))
    assert (listed if listed is None else len(listed)) == count


def test_the_second_training_computes_nothing(teacher, opened, tmp_path):
    folder, first = opened
    assert len(first.computed) == len(files(folder)) == 4
    assert open_all(folder, teacher).computed == []
    path = tmp_path / "teacher.keras"
    teacher.save(path)  # carries the date, and comes back as another object
    loaded = keras.saving.load_model(path, compile=False)
    assert open_all(folder, loaded).computed == []


def test_the_progress_counts_images(teacher, tmp_path):
    seen = []
    open_all(CacheFolder(tmp_path), teacher, progress=lambda *told: seen.append(told))
    assert [done for done, _, _ in seen] == [COUNT, 2 * COUNT, 3 * COUNT, 4 * COUNT]
    assert seen[-1] == (4 * COUNT, 4 * COUNT, "stage1, mirrored")


def other_teacher(teacher):
    copy = keras.models.clone_model(teacher)
    copy.set_weights(teacher.get_weights())
    copy.get_layer("stage1_conv1").kernel.assign_add(
        1e-6 * np.ones(copy.get_layer("stage1_conv1").kernel.shape)
    )
    return copy


def test_whatever_decides_a_value_decides_the_file(teacher, opened, tmp_path):
    folder = CacheFolder(tmp_path)
    open_all(folder, teacher)
    known = set(files(folder))
    assert known == set(files(opened[0]))
    changed = DATA.images.copy()
    changed[3, 4, 4, 0] ^= 1
    normalization = replace(DATA.normalization, mean=(DATA.normalization.mean[0] + 1e-3,))
    others = {
        "weights": {"teacher": other_teacher(teacher)},
        "ensemble": {"teacher": ensemble([networks()[0], networks()[0]])},
        "normalization": {"data": replace(DATA, normalization=normalization)},
        "samples": {
            "data": load_training(
                DataConfig(calibration_samples=6, normalization="standard"),
                from_arrays(changed, Y, (X, Y)),
            )
        },
    }
    for what, change in others.items():
        found = open_all(folder, **{"teacher": teacher, **change})
        assert len(found.computed) == 4, what
        assert len(files(folder)) == len(known) + 4, what
        known = set(files(folder))


def test_a_shallow_tap_outlives_a_change_behind_it(teacher, tmp_path):
    folder = CacheFolder(tmp_path)
    open_all(folder, teacher)
    copy = keras.models.clone_model(teacher)
    copy.set_weights(teacher.get_weights())
    copy.layers[-1].bias.assign_add([1.0, 0.0, 0.0])
    assert {name.split("-")[0] for name in open_all(folder, copy).computed} == {"logits"}


def test_an_ensemble_is_cached_as_what_it_computes(tmp_path):
    members = [networks()[0], networks()[0]]
    expected = np.mean([live(m, "logits", DATA.normalized(np.arange(COUNT))) for m in members], 0)
    both = ensemble(members)
    found = open_all(CacheFolder(tmp_path), both, taps=["logits"], augmentation=AugmentConfig())
    assert len(found.cached["logits"].views) == 1
    np.testing.assert_allclose(found.cached["logits"].views[0], expected, rtol=ROUNDING, atol=1e-4)


def test_outputs_beyond_float16_are_left_out_in_words(teacher, tmp_path):
    loud = keras.models.clone_model(teacher)
    loud.set_weights(teacher.get_weights())
    loud.layers[-1].bias.assign([7e4, 0.0, 0.0])
    folder = CacheFolder(tmp_path)
    found = open_all(folder, loud)
    assert set(found.cached) == {"stage1"}
    assert "logits reaches 7e+04, and float16 ends at 65504" in found.left_out["logits"]
    assert [name.split("-")[0] for name in files(folder)] == ["stage1", "stage1"]


def test_the_budget_counts_all_taps_and_views_before_anything_is_written(teacher, tmp_path):
    shape = tap_shapes(teacher)["stage1"][1:]
    needed = 2 * 2 * COUNT * (int(np.prod(shape)) + 3)
    folder = CacheFolder(tmp_path, (needed - 1) / 1e9)
    with pytest.raises(CacheError, match=f"take {needed / 1e3:.1f} kB"):
        open_all(folder, teacher)
    assert files(folder) == []


# Trainings


def method():
    hint = HintConfig(epochs=1, keep_weight=0.1)
    return Sum([Hint(hint, {"stage1": "stage1"}, {"stage1": "relu"}), KD(KDConfig())])


def job(folder, cached):
    teacher, student = networks()
    built = method()
    built.build(tap_shapes(teacher), tap_shapes(student), COUNT)
    folder.mkdir(exist_ok=True)
    return Job(
        student=student,
        method=built,
        teacher=teacher,
        data=DATA,
        augmentation=FLIP,
        config=TrainingConfig(epochs=2, batch_size=32),
        seed=0,
        folder=folder,
        cached=cached,
    )


def silenced(made):
    """The job with a teacher that spoils whatever it is asked for."""
    for variable in made.teacher.variables:
        variable.assign(variable * np.nan)
    return made


def outcome(made):
    history = train(made)
    return history, [variable.numpy() for variable in made.student.variables]


def distance(one, other):
    """The largest relative difference of a loss between two histories."""
    return max(
        abs(row[name] / expected[name] - 1)
        for row, expected in zip(one, other, strict=True)
        for name in ("loss", "val_loss")
    )


@pytest.fixture(scope="module")
def trained(opened, tmp_path_factory):
    """History and weights of a training that reads all taps, with a teacher out of order."""
    return outcome(silenced(job(tmp_path_factory.mktemp("run"), opened[1].cached)))


def test_a_cached_training_is_the_live_one_but_for_rounding(trained, tmp_path):
    history, weights = outcome(job(tmp_path, {}))
    assert distance(trained[0], history) < 2e-3
    for one, other in zip(trained[1], weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-2)


def test_swapped_views_change_the_loss_of_every_batch(opened):
    made, cached = job_parts(), opened[1].cached
    swapped = {tap: CachedTap(found.views[::-1]) for tap, found in cached.items()}
    lives, rights, wrongs = (losses(made, extras) for extras in ({}, cached, swapped))
    np.testing.assert_allclose(rights, lives, rtol=1e-3)
    assert (np.abs(wrongs / lives - 1) > 1e-2).all()


def job_parts():
    """The task phase, which reads both taps."""
    teacher, student = networks()
    built = method()
    built.build(tap_shapes(teacher), tap_shapes(student), COUNT)
    return Distiller(student, built.phases()["task"], teacher)


def losses(distiller, cached):
    """The hint's and the soft targets' losses of each batch of an epoch."""
    batches = training_batches(
        DATA,
        DATA.train,
        batch_size=27,
        seed=5,
        augmentation=FLIP,
        epochs=1,
        extras={f"teacher:{tap}": found for tap, found in cached.items()},
    )
    means = [distiller.losses_of(x, labels, None, training=False)[0] for x, labels in batches]
    return np.array([[float(mean["hint"]), float(mean["kd"])] for mean in means])


@pytest.mark.whole
def test_a_phase_with_a_tap_that_is_not_cached_runs_live(opened, tmp_path):
    part = {"stage1": opened[1].cached["stage1"]}  # the task phase reads the logits too
    with pytest.raises(HintliteError, match="not a finite number in epoch 1 of the task phase"):
        train(silenced(job(tmp_path, part)))


class StopError(Exception):
    pass


class StopInTask(Watcher):
    def step(self, phase, epoch, epochs, step, steps):
        if (phase, epoch, step) == ("task", 2, 2):
            raise StopError


@pytest.mark.whole
def test_a_resumed_training_goes_on_with_the_same_outputs(opened, trained, teacher, tmp_path):
    with pytest.raises(StopError):
        train(replace(job(tmp_path / "run", opened[1].cached), watcher=StopInTask()))
    # The folder was cleared in between: what is computed again is the same.
    again = open_all(CacheFolder(tmp_path / "cache"), teacher).cached
    history, weights = outcome(silenced(job(tmp_path / "run", again)))
    assert distance(history, trained[0]) < 1e-4
    for one, other in zip(weights, trained[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_what_is_computed_again_is_the_same_to_the_last_bit(opened, teacher, tmp_path):
    folder = CacheFolder(tmp_path)
    open_all(folder, teacher, taps=["logits"])  # another order, and alone
    open_all(folder, teacher)
    for name in files(folder):
        assert (folder.path / name).read_bytes() == (opened[0].path / name).read_bytes()


def test_the_cache_is_the_same_under_every_precision(opened, teacher, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = open_all(CacheFolder(tmp_path), teacher).cached
    finally:
        keras.config.set_dtype_policy("float32")
    for tap, cached in opened[1].cached.items():
        assert np.array_equal(found[tap].views[MIRRORED], cached.views[MIRRORED])
