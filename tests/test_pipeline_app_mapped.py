"""Commands that are no runs gather too from samples that are too many for memory."""

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

from hintlite.errors import DataError
from hintlite.pipeline.app.convert.foreign import Input
from hintlite.pipeline.app.convert.options import check_convert, convert_parser
from hintlite.pipeline.app.convert.samples import Counts, read_samples
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.experiments.studies.definition import read_study
from hintlite.pipeline.app.experiments.studies.plan import make_plan
from hintlite.pipeline.app.experiments.tune import _identity
from hintlite.pipeline.app.experiments.tuning.definition import read_tuning
from hintlite.pipeline.app.experiments.tuning.layout import Layout
from hintlite.pipeline.app.qat.options import qat_parser
from hintlite.pipeline.app.qat.subject import read_data
from hintlite.pipeline.app.run.cache_place import FOLDER, disk_beside
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.cache.folder import CacheError
from hintlite.pipeline.data.disk import Disk
from hintlite.pipeline.data.rows import LazyRows, is_mapped

RNG = np.random.default_rng(4)
X = RNG.integers(0, 256, (60, 8, 9, 1), dtype=np.uint8)
Y = np.arange(60) % 3
COUNTS = Counts(calibration=16, validation=8, limit=None, seed=0)


@pytest.fixture
def npz(tmp_path):
    """A small file of three classes."""
    np.savez(tmp_path / "mine.npz", x=X, y=Y)
    return tmp_path / "mine.npz"


@pytest.fixture
def mapped(monkeypatch):
    """From now on everything goes into a file, and is never read at once."""

    def begin():
        monkeypatch.setattr(Disk, "takes", lambda self, shape, dtype: True)
        monkeypatch.setattr(LazyRows, "__array__", lambda *_, **__: pytest.fail("all were read"))

    return begin


def forms(place):
    """The forms in which a conversion takes samples, by the argument that names each."""
    np.savez(place / "x.npz", x=X, y=Y)
    np.savez(place / "grey.npz", x=X[..., 0])
    np.savez(place / "values.npz", x=(X / 7).astype(np.float32))
    np.savez_compressed(place / "integers.npz", x=X.astype(np.int32) - 90)
    np.savez(place / "val.npz", x=X[:50], y=Y[:50], x_val=X[50:], y_val=Y[50:])
    np.save(place / "x.npy", X.astype(np.int64))
    for row in range(12):
        for folder in (place / "photos", place / "classes" / str(Y[row])):
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(X[row, ..., 0]).save(folder / f"{row:02}.png")
    return (
        "x.npz",
        "grey.npz",
        "values.npz",
        "integers.npz",
        "val.npz",
        "x.npy",
        "photos",
        "classes",
    )


def test_a_conversion_reads_every_form_as_from_memory(tmp_path, mapped):
    names = forms(tmp_path)
    disk = disk_beside(tmp_path / "out", 1.0)

    def read(name):
        inputs = [Input("image", (8, 9, 1), "float32")]
        return read_samples(str(tmp_path / name), inputs, COUNTS, disk)

    memory = {name: read(name) for name in names}
    mapped()
    for name in names:
        was, now = memory[name], read(name)
        (plain,), (lazy,) = was.inputs, now.inputs
        assert is_mapped(lazy), name
        assert lazy.dtype == plain.dtype
        assert np.array_equal(lazy[:], plain[:])
        assert now.sha256 == was.sha256
        for rows in ("calibration", "validation"):
            assert np.array_equal(getattr(now, rows), getattr(was, rows))
        assert (now.labels is None) == (was.labels is None)
        assert now.labels is None or np.array_equal(now.labels, was.labels)


def test_a_part_of_another_type_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=X, x_val=X.astype(np.float32) / 255)
    inputs, disk = [Input("image", (8, 9, 1), "float32")], disk_beside(tmp_path / "out", 1.0)
    with pytest.raises(DataError, match=r"x_val holds float32 .*x uint8 .*one type and shape"):
        read_samples(str(tmp_path / "x.npz"), inputs, COUNTS, disk)


def test_a_fine_tuning_reads_what_it_reads_from_memory(tmp_path, npz, mapped):
    image = keras.Input((8, 9, 1))
    logits = keras.layers.Dense(3)(keras.layers.Flatten()(image))
    keras.Model(image, logits).save(tmp_path / "own.keras")
    words = [str(tmp_path / "own.keras"), "--data", str(npz), "--calibration_samples", "8"]
    options = vars(qat_parser().parse_args(words)) | {"model": words[0]}
    memory = read_data(options, Terminal(), disk_beside(tmp_path / "out", 1.0))
    mapped()
    data = read_data(options, Terminal(), disk_beside(tmp_path / "out", 1.0))
    assert isinstance(data.images, LazyRows)
    assert data.fingerprint == memory.fingerprint
    assert list((tmp_path / FOLDER).glob("samples-*.npy"))


def test_a_budget_is_told_by_the_commands_own_option(tmp_path, npz, mapped):
    mapped()
    inputs = [Input("image", (8, 9, 1), "float32")]
    with pytest.raises(CacheError, match=r"\(--budget_gb 0.1\).*save fewer samples"):
        read_samples(str(npz), inputs, COUNTS, disk_beside(tmp_path / "out", 1e-6))
    words = [str(npz), "--data", str(npz), "--budget_gb", "0"]
    options = vars(convert_parser().parse_args(words))
    with pytest.raises(WrongUseError, match="--budget_gb must be above 0; got 0"):
        check_convert(options)


def test_studies_are_planned_on_the_file_that_their_runs_read(tmp_path, npz, mapped):
    data = {"source": "npz", "path": str(npz), "calibration_samples": 6}
    study = {"base": {"data": data}, "arms": ["scratch", "kd"], "seeds": [0, 1]}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    memory = make_plan(read_study(tmp_path / "s.yaml"), tmp_path / "s")
    mapped()
    plan = make_plan(read_study(tmp_path / "s.yaml"), tmp_path / "s")
    assert [run.id for run in plan.runs] == [run.id for run in memory.runs]
    assert len(list((tmp_path / "s" / FOLDER).glob("samples-*.npy"))) == 1


def test_tunings_are_planned_on_the_file_that_their_trials_read(tmp_path, npz, mapped):
    data = {"source": "npz", "path": str(npz), "calibration_samples": 6}
    tuning = {
        "base": {"data": data},
        "arm": "kd",
        "trials": 2,
        "search": {"kd.temperature": {"low": 1, "high": 8}},
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(tuning))
    layout = Layout(tmp_path / "t")
    memory = _identity(read_tuning(tmp_path / "t.yaml"), layout, Terminal())
    mapped()
    assert _identity(read_tuning(tmp_path / "t.yaml"), layout, Terminal()) == memory
    assert list(layout.cache.glob("samples-*.npy"))
