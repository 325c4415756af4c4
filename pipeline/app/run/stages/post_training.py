"""Post-training quantization of a student: by the converter, or with choices of our own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from hintlite.keyed import keyed
from hintlite.pipeline.app.run.context import Context, StageError
from hintlite.pipeline.runs.layout import FLOAT, INT8, INT16, MIXED, TEACHER
from hintlite.pipeline.settings.quantize import QuantizeConfig

if TYPE_CHECKING:
    import keras
    import numpy as np

    from hintlite.deploy.convert.verify import Bounds
    from hintlite.deploy.interpret.runtime import Samples
    from hintlite.deploy.ptq.static import Choices
    from hintlite.models.equalize import Pair
    from hintlite.pipeline.app.run.console import Bar

UNCHANGED = 1e-4  # largest difference that equalization may make, a share of the logits' range
EQUALIZATION = 2  # version of its code: 1 knew pairs of one writing and one reading layer alone
EQUALIZED, CHOICE = "equalize.json", "mixed.json"
# Part of a student's key where they are not at their defaults; a teacher knows none of them.
WAYS = (
    *("method", "ranges", "percentile", "weight_ranges", "activations", "weights_bits"),
    *("equalize", "relu6", "max_drop", "scan_samples"),
)


@dataclass(frozen=True)
class Converted:
    """What became of a network.

    Attributes:
        network: what the files hold; the trained network, or an equal one.
        files: precision -> bytes of the .tflite file.
        quantized: the precision of the file that is deployed.
        clipped: whether weights beyond their range were cut off.
        records: file name -> JSON text to keep beside the files.
        notes: lines for the user.
    """

    network: keras.Model
    files: dict[str, bytes]
    quantized: str = INT8
    clipped: bool = False
    records: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def quantized(config: QuantizeConfig, model: str) -> str:
    """The precision of the file of a model that is deployed beside the float one.

    A teacher is there to be compared with: it is always INT8, by the converter.
    """
    if model == TEACHER:
        return INT8
    if config.method == MIXED:
        return MIXED
    return INT16 if config.activations == "int16" else INT8


def settings(config: QuantizeConfig, model: str) -> dict[str, Any]:
    """What the conversion of a model depends on, as plain data for a stage's key."""
    everything, plain = keyed(config), asdict(QuantizeConfig())
    found = {
        name: value
        for name, value in everything.items()
        if name not in WAYS or (model != TEACHER and value != plain[name])
    }
    return found | ({"equalization": EQUALIZATION} if found.get("equalize") else {})


def bounds(config: QuantizeConfig) -> Bounds:
    """What a file must keep to; the settings count points, the bounds shares."""
    from hintlite.deploy.convert.verify import Bounds

    return Bounds(config.min_agreement, config.max_float_error, config.max_accuracy_drop / 100)


def by_converter(config: QuantizeConfig, model: str) -> bool:
    """Whether TFLite's converter does all of the work, as for the teacher and by default."""
    plain = QuantizeConfig()
    names = ("ranges", "weight_ranges", "activations", "weights_bits")
    same = all(getattr(config, n) == getattr(plain, n) for n in names)
    return model == TEACHER or (config.method != MIXED and same)


def convert(context: Context, model: str, network: keras.Model, bar: Bar) -> Converted:
    """One precision throughout.

    Args:
        context: the run.
        model: the arm.
        network: input to logits.
        bar: shows progress.

    Raises:
        StageError: equalization changes the network.
        ConversionError: a layer that cannot be converted so.
    """
    from hintlite.deploy.convert.convert import to_float32

    config = context.config.quantize
    prepared = Prepared(network)
    if config.equalize:
        bar.update(0, 3, "equalizing")
        prepared = _equalized(context, network)
    bar.update(1, 3, "converting")
    content = to_float32(prepared.network)
    precision = quantized(config, model)
    made = _quantize(context, model, prepared.network, content)
    few = config.weights_bits == 4
    return Converted(
        prepared.network,
        {FLOAT: content, precision: made},
        precision,
        config.weight_ranges != "minmax",
        prepared.records,
        (*prepared.notes, _few_bits_line(made)) if few else prepared.notes,
    )


def convert_mixed(context: Context, model: str, network: keras.Model, bar: Bar) -> Converted:
    """A precision for each operator, the smallest file found within `quantize.max_drop`.

    Args, Raises: see `convert`.
    """
    from hintlite.deploy.convert.convert import to_float32
    from hintlite.deploy.ptq.edge_quantizer import require_package
    from hintlite.deploy.ptq.mixed import Bound, choose
    from hintlite.deploy.ptq.observe import observe
    from hintlite.deploy.ptq.trials import Bench

    require_package()
    data, config = context.kept, context.config.quantize
    prepared = Prepared(network)
    if config.equalize:
        bar.update(0, 3, "equalizing")
        prepared = _equalized(context, network)
    content = to_float32(prepared.network)
    bench = Bench(content, observe(content, _calibration(context)), choices(config))
    bound = Bound(
        data.fed(data.validation),
        data.labels[data.validation],
        config.max_drop / 100,
        config.scan_samples,
    )
    mixed = choose(
        bench, bound, lambda done, total: bar.update(done, total, f"file {done} of about {total}")
    )
    return Converted(
        prepared.network,
        {FLOAT: content, MIXED: mixed.content},
        MIXED,
        config.weight_ranges != "minmax",
        {**prepared.records, CHOICE: json.dumps(mixed.record, indent=1)},
        (*prepared.notes, _choice_line(mixed.record)),
    )


def choices(config: QuantizeConfig) -> Choices:
    """The settings as deploy's estimators know them."""
    from hintlite.deploy.ptq.static import Choices

    return Choices(
        ranges=config.ranges,
        percentile=config.percentile,
        weight_ranges=config.weight_ranges,
        activation_bits=16 if config.activations == "int16" else 8,
        weight_bits=config.weights_bits,
    )


def _calibration(context: Context) -> np.ndarray:
    data = context.kept
    return data.normalized(data.calibration)


def _quantize(context: Context, model: str, network: keras.Model, content: bytes) -> bytes:
    """The file that is deployed, from the network or from its float file."""
    from hintlite.deploy.convert.convert import to_int8
    from hintlite.deploy.ptq.edge_quantizer import require_package
    from hintlite.deploy.ptq.observe import observe
    from hintlite.deploy.ptq.static import to_integer

    config, samples = context.config.quantize, _calibration(context)
    if by_converter(config, model):
        return to_int8(network, samples)
    require_package()
    return to_integer(content, observe(content, samples), choices(config))


@dataclass(frozen=True)
class Prepared:
    """A network as it goes into the conversion, with records and notes on what was done to it."""

    network: keras.Model
    records: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _equalized(context: Context, network: keras.Model) -> Prepared:
    """The equalized network.

    Raises:
        StageError: it is not the same function.
    """
    from hintlite.models.equalize import equalized

    config, data = context.config.quantize, context.kept
    changed, pairs = equalized(network, config.relu6)
    samples = data.fed(data.validation)
    before, after = (_logits(each, samples) for each in (network, changed))
    difference = require_unchanged(before, after, pairs)
    done = [pair for pair in pairs if not pair.skipped]
    was, now = (_int8(context, each, samples, before) for each in (network, changed))
    record = {
        "pairs": [asdict(pair) for pair in pairs],
        "largest_difference": difference,
        "bound": UNCHANGED,
        "samples": len(samples),
        "int8_before": was,
        "int8_after": now,
    }
    word = (
        f"equalized {len(done)} of {len(pairs)} pairs of layers, logits moved by at most "
        f"{difference:.1e} of their range; INT8 accuracy on the validation part "
        f"{was['accuracy']:.2%} before, {now['accuracy']:.2%} after, noise of the logits "
        f"{_db(was)} and {_db(now)}"
    )
    return Prepared(changed, {EQUALIZED: json.dumps(record, indent=1)}, (word,))


def require_unchanged(before: np.ndarray, after: np.ndarray, pairs: tuple[Pair, ...]) -> float:
    """Refuses an equalized network that computes something else.

    Args:
        before: logits of the trained network `[n, classes]`.
        after: those of the equalized one.
        pairs: what was equalized.

    Returns:
        The largest difference of a logit, as a share of their range.

    Raises:
        StageError: it is above `UNCHANGED`.
    """
    import numpy as np

    difference = float(np.abs(after - before).max() / max(float(np.ptp(before)), 1e-12))
    if difference <= UNCHANGED:
        return difference
    replaced = sorted({pair.clipped for pair in pairs if pair.clipped and not pair.skipped})
    cause = (
        f"the ReLU6 layers that ReLU took the place of ({', '.join(replaced)}) do clip: set "
        "quantize.relu6 to skip, or train with student.activation relu"
        if replaced
        else "the ranges of its channels lie too far apart for float32: set quantize.equalize off"
    )
    raise StageError(
        f"equalization changes the network: a logit moves by {difference:.2e} of the logits' "
        f"range, expected at most {UNCHANGED:g}; {cause}"
    )


def _logits(network: keras.Model, samples: Samples) -> np.ndarray:
    from hintlite.deploy.convert.keras_logits import keras_logits

    return keras_logits(network, samples)


def _int8(
    context: Context, network: keras.Model, samples: Samples, exact: np.ndarray
) -> dict[str, float]:
    """Accuracy, agreement and noise of the converter's INT8 file of a network.

    It is the same kind of file before and after, so that nothing but equalization differs.
    """
    import numpy as np

    from hintlite.deploy.convert.convert import to_int8
    from hintlite.deploy.interpret.runtime import Runner

    data = context.kept
    logits = Runner(to_int8(network, _calibration(context))).predict(samples)
    chosen = logits.argmax(axis=1)
    return {
        "accuracy": float(np.mean(chosen == data.labels[data.validation])),
        "agreement": float(np.mean(chosen == exact.argmax(axis=1))),
        "noise": float(np.sum((logits - exact) ** 2) / max(float(np.sum(exact**2)), 1e-30)),
    }


def _db(figures: Mapping[str, float]) -> str:
    import math

    return f"{10 * math.log10(max(figures['noise'], 1e-30)):.1f} dB"


def _few_bits_line(content: bytes) -> str:
    """Which operators of a file have 4-bit weights."""
    from hintlite.deploy.ptq.precision import weight
    from hintlite.deploy.tflite.flatbuffer import read_model

    graph = read_model(content).main
    kernels = [(o.name, weight(graph, o)) for o in graph.operators]
    stored = [(name, kernel.dtype) for name, kernel in kernels if kernel is not None]
    kept = sorted({name for name, dtype in stored if dtype != "INT4"})
    line = f"4-bit weights in {sum(d == 'INT4' for _, d in stored)} of {len(stored)} operators"
    return line + (f"; no kernel has them for {', '.join(kept)}, which keep 8" if kept else "")


def _choice_line(record: Mapping[str, Any]) -> str:
    names = [entry["precision"] for entry in record["choice"]]
    counts = ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))
    return (
        f"mixed: {counts}; {record['bytes']:,} bytes (float {record['float_bytes']:,}), accuracy "
        f"on the validation part {record['accuracy']:.2%} (float {record['float_accuracy']:.2%}), "
        f"{record['files_tried']} files tried"
    )
