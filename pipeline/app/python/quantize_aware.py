"""`hintlite.quantize_aware`: a network that is trained with the rounding of its INT8 file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from hintlite.errors import HintliteError
from hintlite.pipeline.app.python.arguments import ArgumentError, expect
from hintlite.pipeline.app.python.samples import Samples, Task, read_inputs

if TYPE_CHECKING:
    import keras

    from hintlite.deploy.convert.verify import Bounds, Verification


def quantize_aware(
    model: keras.Model,
    calibration: Any = None,
    *,
    bits: int | Mapping[str, int] = 8,
    input_range: Sequence[float] | None = None,
) -> keras.Model:
    """Puts fake quantization into a network, for training with it (QAT).

    Weights and activations are rounded as the full-INT8 file will round them (Jacob et al. 2018,
    arXiv 1712.05877): weights symmetrically, per channel, those of dense and transposed layers with
    one scale for all; activations per tensor, behind a batch normalization and a ReLU. The ranges
    of activations are moving averages of their extremes. Compile and fit the result as any model,
    or give it to `hintlite.distill` as the student, with few epochs and a small learning rate; then
    `hintlite.quantize` makes its file, without calibration.

    Args:
        model: functional or Sequential, nested models at any depth. It is not changed, but its
            variables are shared: training the result trains it.
        calibration: some hundred samples `[n, ...]`, as it is fed them, from the training data:
            the ranges start where these are. Without any, each range starts at the first batch
            of the training.
        bits: of the weights, 8 or 4; or {layer: 4}, by name or path, and 8 for all others.
        input_range: smallest and largest value that the network is fed, such as (0, 1); without
            it the range is learned as all others.

    Returns:
        A Keras model of the same inputs, outputs and names of layers, to be trained. It can be
        saved and loaded where hintlite is imported.

    Raises:
        HintliteError: a model whose layers cannot be seen, or with layers that cannot be quantized,
            which are told all at once; no such layer in `bits`; samples of another shape.
    """
    import keras

    from hintlite.models.fake_quant.build import Ends, fake_quantized, observe
    from hintlite.models.fake_quant.inference import is_fake_quantized

    expect("model", model, keras.Model, "a keras.Model")
    expect("bits", bits, (int, Mapping), "8 or 4, or {layer: 4}")
    if is_fake_quantized(model):
        raise ArgumentError("model: it has fake quantization already: compile and fit it")
    ends = Ends(*_range(input_range))
    try:
        aware = fake_quantized(model, bits, ends)
    except HintliteError as error:
        raise ArgumentError(str(error)) from error
    if calibration is not None:
        task = Task(tuple(model.inputs[0].shape[1:]), 0)
        observe(aware, np.asarray(read_inputs(calibration, task, "calibration"), np.float32))
    return aware


def _range(given: Sequence[float] | None) -> tuple[float | None, float | None]:
    if given is None:
        return None, None
    expected = "smallest and largest value, such as (0, 1), with 0 within"
    expect("input_range", given, Sequence, expected)
    if len(given) != 2 or not all(isinstance(end, Real) for end in given):
        raise ArgumentError(f"input_range: got {given!r:.80}; expected {expected}")
    low, high = map(float, given)
    if not low <= 0 <= high or low == high:
        raise ArgumentError(f"input_range: got {given!r:.80}; expected {expected}")
    return low, high


def aware_files(
    deployed: keras.Model, held_out: Samples, bounds: Bounds
) -> tuple[tuple[bytes, bytes], Verification]:
    """The full-INT8 and the float file of a fake-quantized network, and what was compared.

    The INT8 file is held to the network as it was trained, rounding and all; the float file has
    its weights without rounding.

    Args:
        deployed: from samples to logits.
        held_out: samples that it is judged by.
        bounds: of the agreement and of the accuracy.

    Raises:
        HintliteError: ranges that were not learned, or a file that is not what was trained.
    """
    from hintlite.deploy.convert.fake_quant import fake_quantized_file
    from hintlite.deploy.convert.form import FLOAT
    from hintlite.deploy.convert.forms import to_file
    from hintlite.deploy.convert.frozen import End, frozen
    from hintlite.deploy.convert.keras_logits import keras_logits
    from hintlite.deploy.convert.verify import Verification, bound_failures, compare_logits
    from hintlite.deploy.interpret.runtime import Runner
    from hintlite.models.fake_quant.inference import inference_function

    shape = tuple(deployed.inputs[0].shape[1:])
    plain = frozen(inference_function(deployed, rounded=False), [End("input", shape)])
    contents = fake_quantized_file(inference_function(deployed), shape), to_file(plain, FLOAT)
    inputs = held_out.array.astype(np.float32)
    int8, floats = (Runner(content) for content in contents)
    figures = compare_logits(
        keras_logits(deployed, inputs),
        floats.predict(inputs),
        int8.predict(inputs),
        held_out.labels,
        int8.output.scale,
    )
    # The float file does not round: how far it lies from the network is no fault.
    limits = replace(bounds, max_float_error=1.0)
    failures = bound_failures(figures, limits, len(inputs))
    return contents, Verification(len(inputs), int8.kernels, limits, figures, tuple(failures))
