"""`hintlite.quantize`: a trained network to full INT8, compared with what it was."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from hintlite.pipeline.app.python.arguments import ArgumentError, class_names, expect
from hintlite.pipeline.app.python.files import Files
from hintlite.pipeline.app.python.samples import Data, Samples, is_dataset

if TYPE_CHECKING:
    import keras

    from hintlite.deploy.convert.verify import Bounds, Verification
    from hintlite.pipeline.app.python.samples import Task

BUNDLED = 16  # samples that go along for a bundle
_UNLIKE = 2.0  # times the width of values that samples of one kind do not differ by
_ALIKE = 0.5  # share of calibration samples in the validation part that is no accident


def quantize(
    student: keras.Model,
    calibration: Any,
    validation: Data,
    *,
    labels: Sequence[str] | None = None,
    min_agreement: float = 0.95,
    max_accuracy_drop: float = 0.03,
    strict: bool = True,
) -> Files:
    """Converts a network to a full-INT8 and a float `.tflite` file, and checks both.

    The samples are fed as they are. The files give logits: a final softmax is left out, which
    changes no choice. Weights are quantized per channel and activations per tensor, with the
    ranges that the calibration samples show (Jacob et al. 2018, arXiv 1712.05877). A network of
    `hintlite.quantize_aware` has learned its ranges: it needs no calibration, and its INT8 file is
    compared with the network as it rounds. The model is not changed, and nothing is written to the
    disk.

    Args:
        student: functional classifier, `[batch, h, w, c]` -> `[batch, classes]`.
        calibration: x, (x, y) or a dataset: some hundreds of the training samples, no others;
            None for a network of `hintlite.quantize_aware`.
        validation: (x, y) or a dataset of other samples, on which the files are compared with the
            model.
        labels: the classes' names, in the order of the outputs; if None, those that the labels of
            `validation` are, sorted, where these are text, else numbers.
        min_agreement: least share of the validation samples on which INT8 and Keras choose the
            same class.
        max_accuracy_drop: most that INT8 may lose of the accuracy, as a share of the samples.
        strict: refuse files that break a bound; otherwise `checks.failures` says so.

    Returns:
        The files, `int8` and `float32`, with `checks` and `agreement`.

    Raises:
        HintliteError: samples of another shape, calibration with the validation samples, a layer
            that has no INT8 form, or files that are not good enough.
    """
    from hintlite.deploy.convert.convert import to_float32, to_int8
    from hintlite.deploy.convert.keras_logits import keras_logits
    from hintlite.deploy.convert.verify import Bounds
    from hintlite.models.fake_quant.inference import is_fake_quantized
    from hintlite.models.taps import logits_only
    from hintlite.pipeline.app.python.networks import as_network, task_of
    from hintlite.pipeline.app.python.quantize_aware import aware_files
    from hintlite.pipeline.app.python.samples import named, read_samples
    from hintlite.pipeline.app.python.teacher_check import warn_where_collapsed
    from hintlite.pipeline.training.drop_regressor import in_float32

    for name, value in (("min_agreement", min_agreement), ("max_accuracy_drop", max_accuracy_drop)):
        expect(name, value, Real, "a share from 0 to 1")
    network = as_network(student, "student", samples=calibration)
    task = named(task_of(network), labels, validation, "validation", "labels")
    names = task.names or class_names(None, task.classes)
    bounds = Bounds(min_agreement=min_agreement, max_accuracy_drop=max_accuracy_drop)
    aware = is_fake_quantized(network)
    _check_calibration_given(calibration, aware)
    ranges = None if aware else _calibration(calibration, task)
    held_out = read_samples(validation, task, "validation")
    deployed = logits_only(network)
    if ranges is not None:
        _check_apart(ranges, held_out.array)
        deployed = in_float32(deployed)
    logits = keras_logits(deployed, held_out.array.astype(np.float32))
    warn_where_collapsed(logits, held_out.labels, names)
    if ranges is None:
        files, checks = aware_files(deployed, held_out, bounds)
        advice = "train it on, with a smaller learning rate, give wider bounds"
    else:
        files = to_int8(deployed, ranges.astype(np.float32)), to_float32(deployed)
        checks = _verified(deployed, (files[1], files[0]), held_out, bounds)
        advice = _advice(ranges, held_out.array)
    if strict and not checks.ok:
        raise ArgumentError(
            "the INT8 file is not good enough:\n  "
            + "\n  ".join(checks.failures)
            + f"\n{advice}, or look at it all the same with strict=False"
        )
    some = _some_of_each(held_out.labels)
    return Files(files[0], files[1], checks, held_out.array[some], held_out.labels[some], names)


def _check_calibration_given(calibration: Any, aware: bool) -> None:
    if aware and calibration is not None:
        raise ArgumentError(
            "calibration: this network has learned its ranges in training; expected None"
        )
    if not aware and calibration is None:
        raise ArgumentError(
            "calibration: expected some hundreds of the training samples, got None; only a network "
            "of hintlite.quantize_aware needs none"
        )


def _calibration(given: Any, task: Task) -> np.ndarray:
    from hintlite.pipeline.app.python.samples import read_inputs, read_samples

    if is_dataset(given) or isinstance(given, (tuple, list)):
        return read_samples(given, task, "calibration").array
    return np.asarray(read_inputs(given, task, "calibration"))


def _check_apart(calibration: np.ndarray, validation: np.ndarray) -> None:
    """Refuses to judge INT8 by the very samples that set its ranges; a few twins are let be."""
    held_out = {sample.astype(np.float32).tobytes() for sample in validation}
    shared = sum(sample.astype(np.float32).tobytes() in held_out for sample in calibration)
    if shared > _ALIKE * len(calibration):
        raise ArgumentError(
            f"{shared} of the {len(calibration)} calibration samples are validation samples: INT8 "
            "would be judged by samples that set its ranges; calibrate with training samples"
        )


def _advice(calibration: np.ndarray, validation: np.ndarray) -> str:
    """What to do about a bad file: other ranges of values come before few samples."""
    (low, high), (least, most) = (
        (float(each.min()), float(each.max())) for each in (calibration, validation)
    )
    widths = sorted((high - low, most - least))
    if widths[1] > _UNLIKE * widths[0] or low > most or least > high:
        return (
            f"calibration goes from {low:.3g} to {high:.3g}, validation from {least:.3g} to "
            f"{most:.3g}: scale both as the model was trained on"
        )
    return "calibrate with more of the training samples, give wider bounds"


def _verified(
    network: keras.Model, files: tuple[bytes, bytes], samples: Samples, bounds: Bounds
) -> Verification:
    from hintlite.deploy.convert.verify import verify

    inputs = samples.array.astype(np.float32)
    return verify(network, files, inputs, samples.labels, bounds=bounds)


def _some_of_each(labels: np.ndarray) -> np.ndarray:
    from hintlite.pipeline.app.run.stages.bundle import samples

    return samples(labels, np.arange(len(labels)), BUNDLED)
