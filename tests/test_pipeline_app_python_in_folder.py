"""hintlite.distill with a folder: a run like the command's, that every command goes on with."""

import contextlib
import io
import json
import re
import warnings

import keras
import numpy as np
import own_models
import pytest

import hintlite
from hintlite.pipeline.app.cli.main import main
from hintlite.pipeline.app.python.handed_over import hand_over, taken_over
from hintlite.pipeline.app.python.in_folder import Given, Parts, _source, read_in_order
from hintlite.pipeline.app.python.samples import Task
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.not_a_run import require_place
from hintlite.pipeline.data import spool
from hintlite.pipeline.data.rows import LazyRows
from hintlite.pipeline.settings.data import DataConfig

NAMES = ["upper", "middle", "lower"]
TRAIN, VALIDATION = own_models.samples(40, seed=1), own_models.samples(18, seed=2)
QUICK = {
    "quantize": {"min_agreement": 0.0, "max_accuracy_drop": 100},
    "benchmark": {"window_s": 0.02, "warmup_s": 0.02, "min_runs": 5},
    "hint": {"epochs": 1},
}


def distilled(folder, teacher, student, **settings):
    usual = {
        "method": "hint+kd",
        "hints": {"thin1": "block1"},
        "epochs": 2,
        "batch_size": 16,
        "test": own_models.samples(12, seed=3),
        "class_names": NAMES,
        "data_name": "bright rows",
        "settings": QUICK,
        "accept_chance": True,  # two epochs of three steps
    }
    return hintlite.distill(teacher, student, TRAIN, VALIDATION, folder=folder, **usual | settings)


@pytest.mark.whole
def test_a_dataset_that_shuffles_is_the_same_samples_when_it_is_read_again():
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(TRAIN).shuffle(40, seed=1).batch(7)
    task = Task((6, 6, 1), 3)
    first, second = (read_in_order(dataset, task, "train") for _ in range(2))
    np.testing.assert_array_equal(first.inputs, second.inputs)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert {row.tobytes() for row in first.inputs} == {row.tobytes() for row in TRAIN[0]}


@pytest.mark.whole
@pytest.mark.parametrize("validation", [0.2, "dataset"])
def test_datasets_of_many_samples_are_the_same_from_a_file(monkeypatch, validation):
    import tensorflow as tf

    def opened():
        given = [tf.data.Dataset.from_tensor_slices(part) for part in (TRAIN, VALIDATION)]
        held_out = given[1].batch(4) if validation == "dataset" else validation
        parts = Parts(given[0].batch(7), held_out, 0.2, NAMES)
        source, count = _source(parts, Task((6, 6, 1), 3), seed=0)
        pool = source.open(DataConfig())
        return (
            pool,
            pool.read(np.arange(len(pool.labels)), None)[0],
            pool.read_test((6, 6, 1)),
            count,
        )

    plain, images, test, count = opened()
    monkeypatch.setattr(spool, "IN_MEMORY_BYTES", 300)
    monkeypatch.setattr(LazyRows, "__array__", lambda *_, **__: pytest.fail("all were read"))
    mapped, lazy, held_out, same = opened()
    assert isinstance(lazy, LazyRows)
    assert isinstance(held_out.images, LazyRows)
    assert (lazy.dtype, count) == (images.dtype, same)
    assert np.array_equal(lazy[:], images)
    assert np.array_equal(held_out.images[:], test.images)
    assert np.array_equal(mapped.labels, plain.labels)
    assert np.array_equal(mapped.validation, plain.validation)


@pytest.mark.whole
def test_a_folder_that_holds_something_else_is_left_as_it_is(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text("{}")
    pair = own_models.classifier((2, 2), ("a", "b")), own_models.student()
    for work in (
        lambda: distilled(tmp_path, *pair),
        lambda: hintlite.run(tmp_path, {"data": {"source": "digits"}}),
    ):
        with pytest.raises(hintlite.HintliteError, match=r"holds manifest\.json, which is no run"):
            work()
    assert main(["run", str(tmp_path), "--data", "digits"]) == 2
    assert "holds manifest.json, which is no run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    leftover = tmp_path / "leftover"
    (leftover / "data.partial").mkdir(parents=True)
    for name in (".lock", "log.txt", "given"):
        (leftover / name).touch()
    require_place(leftover)  # of a start that was stopped at once
    require_place(tmp_path / "new")


@pytest.mark.whole
def test_missing_networks_layers_and_samples_are_told_before_anything_is_trained(tmp_path):
    own_models.student().save(tmp_path / "net.keras")
    data = {"source": "digits", "limit": 60}
    own = {"family": "keras_file", "path": str(tmp_path / "net.keras")}
    for config, said in (
        (
            {"data": data, "teacher": own | {"path": str(tmp_path / "none.keras")}},
            "there is no such",
        ),
        ({"data": data, "student": own | {"taps": {"mid": "thn1"}}}, "did you mean thin1"),
        ({"data": {"source": "npz", "path": str(tmp_path / "no.npz")}}, "no.npz: no such file"),
    ):
        with pytest.raises(hintlite.HintliteError, match=said):
            hintlite.run(tmp_path / "run", config)
        log = tmp_path / "run" / "log.txt"
        assert not log.exists() or "loading TensorFlow" not in log.read_text()


@pytest.mark.whole
def test_a_feeding_that_cannot_be_is_refused(tmp_path):
    pair = own_models.classifier((2, 2), ("a", "b")), own_models.student()
    for given, said in (
        ({"feeding": "unti"}, "feeding must be one of .*Did you mean 'unit'"),
        ({"settings": {"data": {"normalization": "unit"}}}, "data.normalization is what"),
        ({"folder": None, "feeding": "unit"}, "feeding: these belong to a run in a folder"),
    ):
        own = {"folder": tmp_path / "run", **given}
        with pytest.raises(hintlite.HintliteError, match=said):
            hintlite.distill(*pair, TRAIN, VALIDATION, **own)


@pytest.mark.whole
def test_networks_are_fed_the_range_that_they_want_and_the_device_the_values(tmp_path):
    train, validation, test = (
        (np.rint(x * 255).astype(np.uint8), np.array(NAMES)[y])
        for x, y in (TRAIN, VALIDATION, own_models.samples(12, seed=3))
    )
    hintlite.distill(
        own_models.trained_teacher(),
        own_models.student(),
        train,
        validation,
        method="kd",
        epochs=1,
        batch_size=16,
        folder=tmp_path / "run",
        test=test,
        feeding="unit",
        settings=QUICK,
        class_names=NAMES,
        accept_chance=True,
    )
    manifest = json.loads((tmp_path / "run" / "bundle/device/manifest.json").read_text())
    assert manifest["task"]["labels"] == NAMES
    assert manifest["normalization"]["std"] == [255.0]
    assert manifest["normalization"]["raw_dtype"] == "uint8"
    found = json.loads((tmp_path / "run" / "teacher/0/summary.json").read_text())
    assert found["validation"]["accuracy"] > 0.9  # fed what it has learned from


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, its teacher and the student that came out."""
    folder = tmp_path_factory.mktemp("python") / "run"
    teacher, student = own_models.trained_teacher(), own_models.student()
    policy, state = keras.config.dtype_policy(), np.random.get_state()[1].copy()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        found = distilled(folder, teacher, student, verbose=True)
    (folder.parent / "said.txt").write_text(said.getvalue())
    assert found is student
    assert keras.config.dtype_policy() == policy
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    return folder, teacher, student


@pytest.mark.whole
def test_each_phase_has_a_line_however_short_it_is(made):
    said = (made[0].parent / "said.txt").read_text()
    assert re.search(r"^student, hint\+kd: hint phase, epoch 1/1, validation loss", said, re.M)
    assert re.search(r"^student, hint\+kd: task phase, epoch 2/2, validation acc.* s$", said, re.M)


@pytest.mark.whole
def test_the_student_has_the_weights_of_the_run(made):
    folder, _, student = made
    found = hintlite.load_run(folder)
    logits = found.students["hint+kd"].predict(VALIDATION[0], verbose=0)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(student.predict(VALIDATION[0], verbose=0), expected, atol=1e-5)
    assert student.history.history["phase"] == ["pretrain", "task", "task"]


@pytest.mark.whole
def test_the_run_holds_what_the_command_would_have_made(made):
    folder, teacher, _ = made
    found = hintlite.load_run(folder)
    assert [(row.model, row.precision) for row in found.table] == [
        ("teacher", "float32"),
        ("teacher", "int8"),
        ("hint+kd", "float32"),
        ("hint+kd", "int8"),
    ]
    assert (folder / "report.html").is_file()
    assert (found.bundle / "labels.txt").read_text().split() == NAMES
    metrics = json.loads((folder / "evaluate" / "metrics.json").read_text())
    assert metrics["teacher:int8"]["total"] == 12
    taught = found.teacher(VALIDATION[0], training=False)["logits"]
    expected = teacher.predict(VALIDATION[0], verbose=0)
    np.testing.assert_allclose(keras.ops.softmax(taught), expected, atol=1e-5)


@pytest.mark.whole
def test_the_samples_are_fed_as_they_are_and_divided_as_they_were_given(made):
    folder, _, _ = made
    facts = json.loads((folder / "data" / "data.json").read_text())
    assert facts["name"] == "bright rows"
    assert "bright rows" in (folder / "report.html").read_text()
    manifest = json.loads((folder / "bundle" / "device" / "manifest.json").read_text())
    assert manifest["provenance"]["data"] == "bright rows"
    assert facts["normalization"] == {"mean": [0.0], "std": [1.0]}
    assert (facts["train"], facts["validation"]) == (40, 18)
    with np.load(folder / "data" / "splits.npz", allow_pickle=False) as splits:
        np.testing.assert_array_equal(splits["validation"], np.arange(40, 58))


@pytest.mark.whole
def test_its_samples_can_be_had_again_divided_as_they_were(made):
    pool = hintlite.load_run(made[0]).source.open(DataConfig())
    np.testing.assert_array_equal(pool.read(np.arange(40), None)[0], TRAIN[0])
    np.testing.assert_array_equal(pool.validation, np.arange(40, 58))
    held_out, labels = own_models.samples(12, seed=3)
    np.testing.assert_array_equal(pool.read_test((6, 6, 1)).images, held_out)
    np.testing.assert_array_equal(pool.read_test((6, 6, 1)).labels, labels)


@pytest.mark.whole
def test_its_files_can_be_bundled_evaluated_and_explained(made, tmp_path):
    files = hintlite.load_run(made[0]).files["hint+kd"]
    with pytest.raises(KeyError) as error:
        hintlite.load_run(made[0]).files["kd"]
    assert isinstance(error.value, hintlite.HintliteError)
    assert str(error.value) == "the run has no 'kd'; it has teacher, hint+kd"
    assert files.labels == tuple(NAMES)
    assert hintlite.bundle(files, tmp_path / "out").is_dir()
    assert hintlite.evaluate(files, own_models.samples(12, seed=3)).total == 12
    assert hintlite.explain(files, VALIDATION).samples == 18


@pytest.mark.whole
@pytest.mark.parametrize(
    "words",
    [
        ["bundle", "--mcu", "c", "--name", "net"],
        ["bundle", "--for-device"],
        ["quantize", "--explain"],
    ],
    ids=" ".join,
)
def test_every_command_goes_on_with_it(made, words):
    assert main([words[0], str(made[0]), *words[1:]]) == 0


@pytest.mark.whole
def test_called_again_it_is_at_its_end_and_warns_of_another_start(made):
    folder, teacher, student = made
    history = folder / "distill" / "hint+kd" / "history.csv"
    before = history.stat().st_mtime_ns
    other = own_models.classifier((3, 4), ("thin1", "thin2"))
    with pytest.warns(UserWarning, match="goes on with that one"):
        distilled(folder, teacher, other)
    assert history.stat().st_mtime_ns == before
    for one, two in zip(student.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.whole
def test_the_models_of_a_run_are_written_once(tmp_path):
    given = Given(tmp_path)
    student = own_models.student()
    path = given.student(student)
    written = path.stat().st_mtime_ns
    student.set_weights([weight + 1 for weight in student.get_weights()])
    given.note_trained(student)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the trained student of a cell that is run again
        Given(tmp_path).student(student)
    assert path.stat().st_mtime_ns == written
    teacher = given.teacher(student)
    written = teacher.stat().st_mtime_ns
    assert Given(tmp_path).teacher(student).stat().st_mtime_ns == written
    student.set_weights([weight + 1 for weight in student.get_weights()])
    assert given.teacher(student).stat().st_mtime_ns > written  # of a teacher weights count


@pytest.mark.whole
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "mse", "metrics": ["accuracy"]}, "loss and metrics: objects of this process"),
        ({"optimizer": keras.optimizers.SGD()}, "give the optimizer by its name"),
        ({"callbacks": [keras.callbacks.Callback()]}, r"^callbacks: (?!.*optimizer)"),
        ({"settings": {"arms": ["kd"]}}, "settings: arms is what the arguments"),
        ({"settings": {"quantise": {"equalize": True}}}, "quantise"),
        ({"class_names": ["one"]}, "class_names: 1 name "),
        ({"test": 0.0}, "test: 0.0 of 40 samples is none"),
        (
            {"folder": None},
            "test and settings and data_name: these belong",
        ),
    ],
)
def test_what_a_run_cannot_keep_is_said_in_a_sentence(tmp_path, change, message):
    usual = {"folder": tmp_path / "run", "hints": {"thin1": "thin1"}}
    pair = {"teacher": own_models.student(), "student": own_models.student()}
    with pytest.raises(hintlite.HintliteError, match=message):
        distilled(**usual | change, **pair)


@pytest.mark.whole
def test_what_its_process_refuses_is_the_commands_sentence(tmp_path):
    with (
        RunFolder(tmp_path / "run").lock(),
        pytest.raises(hintlite.HintliteError, match="is in use by process"),
    ):
        hintlite.run(tmp_path / "run")


@pytest.mark.whole
def test_samples_are_handed_over_as_they_are(tmp_path):
    import tensorflow as tf

    from hintlite.pipeline.data.sources.tf_dataset import from_tf_dataset

    images, labels = own_models.samples(12, dtype=np.uint8)
    train, test = (
        tf.data.Dataset.from_tensor_slices((images[part], labels[part])).batch(5)
        for part in (slice(0, 8), slice(8, 12))
    )
    hand_over(from_tf_dataset(train, test, NAMES, name="rows").open(DataConfig()), tmp_path)
    pool = taken_over(tmp_path).open(DataConfig())
    assert pool.name == "rows"
    np.testing.assert_array_equal(pool.read(np.arange(8), None)[0], images[:8])
    np.testing.assert_array_equal(pool.labels, labels[:8])
    np.testing.assert_array_equal(pool.read_test((6, 6, 1)).images, images[8:])
    assert (pool.class_names, pool.raw_max, pool.validation) == (tuple(NAMES), 255.0, None)
