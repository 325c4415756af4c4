"""The quantizer's process on small networks: files, figures, resuming, refusals."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from qat_networks import every_layer, maxout_student, tiny

from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.tflite.inspect import inspect
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.qat.blueprint import CarryError, load
from hintlite.pipeline.qat.job import CHECKPOINT, MODEL, TUNED, Job, write_job
from hintlite.pipeline.qat.launch import NEEDED, QatError, launch
from hintlite.pipeline.qat.prepare import restore, save_teacher, write_shared
from hintlite.pipeline.settings.data import DataConfig

PROCESS = "hintlite.pipeline.app.run.qat.process:answer"
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

if MISSING and not os.environ.get("CI"):
    needs = " ".join(f"'{NEEDED[name]}'" for name in MISSING)
    pytest.skip(f"not installed: pip install {needs}", allow_module_level=True)


@pytest.fixture(scope="module")
def data():
    return load_training(DataConfig(source="digits", limit=400, calibration_samples=60))


def job(**more):
    settings = {"quantized": True, "epochs": 1, "learning_rate": 2e-3, "batch_size": 64}
    return Job(**settings | {"freeze_norm_after": 1, "seed": 0, "deterministic": True} | more)


def prepared(place, model, data, settings=None, logits=None):
    write_shared(place, model, data, logits)
    folder = place / "job"
    folder.mkdir()
    write_job(settings or job(), folder)
    return folder


def processes():
    """Ids of the quantizer's processes that this one has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == os.getpid() and PROCESS.encode() in words:
            found.append(path.name)
    return found


class Stop(KeyboardInterrupt):
    pass


@pytest.fixture(scope="module")
def tuned(data, tmp_path_factory):
    """A network with every layer, fine-tuned with soft targets and without a break."""
    place = tmp_path_factory.mktemp("tuned")
    logits = np.eye(10, dtype=np.float16)[data.labels][np.newaxis] * 4
    settings = job(epochs=2, soft_weight=1.0)
    folder = prepared(place, every_layer(), data, settings, logits)
    said = []
    return folder, launch(PROCESS, folder, said.append), said


@pytest.mark.processes
def test_every_layer_is_carried_over_and_the_file_is_full_int8(tuned):
    folder, outcome, said = tuned
    assert outcome.rebuilt_difference <= 1e-5
    assert inspect((folder / MODEL).read_bytes()).not_int8_reasons == ()
    assert [report["what"] for report in said if report["what"] != "step"] == [
        "carried",
        *(["epoch"] * 3),
    ]
    assert [row["epoch"] for row in outcome.history] == [0, 1, 2]


@pytest.mark.processes
def test_the_file_computes_what_the_fake_quantized_network_does(tuned):
    _, outcome, _ = tuned
    assert outcome.agreement >= 0.8  # a network hardly trained has many near ties
    assert 0 < outcome.max_difference_steps <= 4


@pytest.mark.processes
def test_the_best_epoch_is_judged_by_the_converted_file(tuned, data):
    folder, outcome, _ = tuned
    best = max(row["accuracy"] for row in outcome.history)
    assert outcome.accuracy == best == outcome.history[outcome.best_epoch]["accuracy"]
    losses = {row["epoch"]: row["val_loss"] for row in outcome.history if row["accuracy"] == best}
    assert outcome.best_epoch == min(losses, key=losses.get)  # between equals the lower loss
    found = Runner(folder / MODEL).predict(data.normalized(data.validation)).argmax(axis=1)
    assert np.mean(found == data.labels[data.validation]) == pytest.approx(best)


@pytest.mark.processes
def test_the_float_weights_behind_the_file_come_back(tuned, data):
    folder, _, _ = tuned
    images = data.normalized(data.validation)
    network = restore(load(folder / TUNED))
    found, stored = (
        np.asarray(network(images, training=False)),
        Runner(folder / MODEL).predict(images),
    )
    assert np.mean(np.abs(found - stored)) < 0.03  # probabilities, and weights of 8 bits
    assert np.mean(found.argmax(axis=1) == stored.argmax(axis=1)) > 0.9


@pytest.mark.processes
def test_the_file_holds_the_fine_tuned_weights_and_nothing_else(tuned):
    from hintlite.deploy.tflite.weights import check_weights

    folder, _, _ = tuned
    content, plan = (folder / MODEL).read_bytes(), load(folder / TUNED)
    assert check_weights(content, restore(plan)) == ()
    assert check_weights(content, restore(load(folder.parent))) != ()  # those before


@pytest.mark.processes
def test_a_stopped_process_ends_and_goes_on_to_the_same_file(tuned, data, tmp_path):
    folder = prepared(
        tmp_path / "shared",
        every_layer(),
        data,
        job(epochs=2, soft_weight=1.0),
        np.eye(10, dtype=np.float16)[data.labels][np.newaxis] * 4,
    )

    def stop(report):
        if report["what"] == "step" and report["epoch"] == 1:
            assert processes()
            raise Stop

    with pytest.raises(Stop):
        launch(PROCESS, folder, stop)
    assert processes() == []
    assert (folder / CHECKPOINT).exists()
    assert not (folder / MODEL).exists()
    epochs = []
    outcome = launch(PROCESS, folder, lambda report: epochs.append(report.get("epoch")))
    assert set(epochs) - {None} == {1, 2}  # the first epoch was not done again
    assert (folder / MODEL).read_bytes() == (tuned[0] / MODEL).read_bytes()
    whole = [{**row, "seconds": 0} for row in tuned[1].history]
    assert [{**row, "seconds": 0} for row in outcome.history] == whole


@pytest.mark.slow(modules=["hintlite.pipeline.qat"])
def test_a_maxout_network_takes_a_teacher_that_is_run_in_each_step(data, tmp_path):
    from hintlite.models.taps import with_taps

    folder = prepared(tmp_path / "shared", maxout_student(), data, job(soft_weight=1.0))
    save_teacher(with_taps(tiny(), {}), tmp_path / "shared")
    outcome = launch(PROCESS, folder, lambda report: None)
    info = inspect((folder / MODEL).read_bytes())
    assert info.not_int8_reasons == ()
    assert "MAXIMUM" in {operator.name for operator in info.operators}
    assert outcome.max_difference_steps <= 4


@pytest.mark.slow(modules=["hintlite.pipeline.qat"])
def test_the_control_is_a_float_file_without_fake_quantization(data, tmp_path):
    settings = job(quantized=False, epochs=3, learning_rate=1e-2)
    folder = prepared(tmp_path / "shared", tiny(), data, settings)
    outcome = launch(PROCESS, folder, lambda report: None)
    info = inspect((folder / MODEL).read_bytes())
    assert {info.inputs[0].dtype, info.outputs[0].dtype} == {"FLOAT32"}
    assert outcome.agreement == 1.0
    assert outcome.history[-1]["accuracy"] > outcome.history[0]["accuracy"] + 0.1


@pytest.mark.whole
def test_a_network_that_computes_something_else_is_refused(data, tmp_path):
    folder = prepared(tmp_path / "shared", tiny(), data)
    path = tmp_path / "shared" / "compare.npz"
    with np.load(path) as file:
        inputs, outputs = file["inputs"], file["outputs"]
    np.savez(path, inputs=inputs, outputs=outputs + 1e-3)
    with pytest.raises(CarryError, match="computes something else"):
        launch(PROCESS, folder, lambda report: None)


def test_a_network_that_is_not_finite_is_refused_before_any_process(data, tmp_path):
    model = tiny()
    model.layers[-1].bias.assign(np.full(10, np.nan))
    with pytest.raises(CarryError, match="not finite"):
        write_shared(tmp_path, model, data, None)


@pytest.mark.whole
def test_a_process_that_dies_is_told_with_its_last_lines(tmp_path):
    (tmp_path / "shared" / "job").mkdir(parents=True)
    with pytest.raises(QatError, match=r"job\.json"):
        launch(PROCESS, tmp_path / "shared" / "job", lambda report: None)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    from hintlite.pipeline.qat import launch as module

    monkeypatch.setitem(module.NEEDED, "no_such_package", "no-such-package>=1,<2")
    with pytest.raises(QatError, match="pip install 'no-such-package>=1,<2'"):
        module.require_packages()
