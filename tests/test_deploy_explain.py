"""deploy/explain: the figures against numpy, and a spoiled layer is found."""

import dataclasses
import functools
import itertools
import json

import numpy as np
import pytest
from deploy_models import CLASSES, SHAPE, calibration, chain, every_layer, randomize

from hintlite.deploy.convert.convert import to_float32, to_int8
from hintlite.deploy.explain.agreement import agreement
from hintlite.deploy.explain.explain import explain
from hintlite.deploy.explain.findings import find
from hintlite.deploy.explain.match import match, rounded_share
from hintlite.deploy.explain.noise import TensorNoise, widest
from hintlite.deploy.explain.ranges import INPUT, rounds, with_followers
from hintlite.deploy.explain.regain import Regained, mcnemar, regained
from hintlite.deploy.explain.simulate import Simulator
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.interpret.worker import Worker
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import Graph, ModelError, Operator, Quantization, Tensor
from hintlite.errors import HintliteError

SPOILED_CHANNEL = 2


def spoil(model):
    """One channel of conv0 100 times wider, conv1 scaled back: the same function in float."""
    import keras

    spoiled = keras.models.clone_model(model)
    spoiled.set_weights(model.get_weights())
    norm, after = spoiled.get_layer("bn0"), spoiled.get_layer("conv1")
    factor = np.ones(norm.gamma.shape)
    factor[SPOILED_CHANNEL] = 100
    norm.gamma.assign(norm.gamma * factor)
    norm.beta.assign(norm.beta * factor)
    after.kernel.assign(after.kernel / factor[:, None])
    return spoiled


@functools.cache
def validation():
    """The 200 of 300 samples that Keras is surest about, labelled by Keras itself."""
    samples = calibration(300, seed=9)
    logits = chain().predict(samples, verbose=0)
    ranked = np.sort(logits, axis=1)
    surest = np.sort(np.argsort(ranked[:, -1] - ranked[:, -2])[100:])
    return samples[surest], logits[surest].argmax(axis=1)


@functools.cache
def files(name):
    model = {"chain": chain, "spoiled": lambda: spoil(chain()), "every": every_layer}[name]()
    return to_float32(model), to_int8(model, calibration(200))


@functools.cache
def explained(name):
    return explain(*files(name), *validation())


@functools.cache
def tensors(content, kernels="builtin"):
    """Name -> real values [n, ...] of every tensor with one name, after each of 50 samples."""
    graph = read_model(content).main
    runner = Runner(content, kernels, keep_tensors=True)
    places = [*graph.inputs, *(index for each in graph.operators for index in each.outputs)]
    values = runner.read_tensors(runner.input.to_stored(validation()[0][:50]), places)
    found = {}
    for index, value in zip(places, values, strict=True):
        tensor = graph.tensors[index]
        scale, zero = 1.0, 0
        if tensor.quantization:
            scale, zero = tensor.quantization.scales[0], tensor.quantization.zero_points[0]
        found[tensor.name] = scale * (value.astype(np.float64) - zero)
    return found


def test_the_spoiled_layer_is_pointed_at():
    float_file, _ = files("spoiled")
    same = Runner(float_file).predict(validation()[0])
    assert same == pytest.approx(Runner(files("chain")[0]).predict(validation()[0]), abs=1e-3)
    result = explained("spoiled")
    first = result.operators[1]
    assert first.operator == "CONV_2D"
    assert result.float_accuracy == 1.0
    assert result.int8_accuracy < 0.97
    images, labels = validation()
    for kernels, accuracy in (
        ("xnnpack", result.int8_accuracy),
        ("builtin", result.builtin_accuracy),
    ):
        chosen = Runner(files("spoiled")[1], kernels).predict(images).argmax(axis=1)
        assert accuracy == np.mean(chosen == labels)
    assert result.finding.worst == first.index == 0
    assert result.finding.costs_accuracy
    assert first.output.widest_channel == SPOILED_CHANNEL
    assert first.output.channel_ratio > 30
    assert first.regained.points > 0.5 * 100 * (1 - result.int8_accuracy)
    for words in ("operator 0 (CONV_2D", f"channel {SPOILED_CHANNEL} is", "quantize.equalize"):
        assert words in result.finding.sentence


def test_the_same_layer_is_not_pointed_at_where_nothing_is_spoiled():
    result = explained("chain")
    assert not result.finding.costs_accuracy
    assert "No operator alone costs accuracy" in result.finding.sentence
    assert "times wider" not in result.finding.sentence
    assert "equalize" not in result.finding.sentence
    assert all(abs(each.regained.points) < 3 for each in result.operators if each.regained)
    assert all(
        each.output.channel_ratio is None or each.output.channel_ratio < 10
        for each in result.operators
    )


def test_both_conversions_name_their_tensors_alike_and_the_reference_is_the_float_file():
    for name in ("chain", "every"):
        float_file, int8_file = files(name)
        graphs = [read_model(content).main for content in (float_file, int8_file)]
        matching = match(*graphs)
        assert matching.remarks == ()
        reference = Simulator(read_model(int8_file), matching.weights).all_float()
        found = tensors(reference.content)
        checked = 0
        for operator in graphs[0].operators:
            output = graphs[0].tensors[operator.outputs[0]].name
            if output in found:
                expected = tensors(float_file)[output]
                assert found[output] == pytest.approx(
                    expected, abs=1e-4 * float(np.abs(expected).max())
                )
                checked += 1
        assert checked >= len(graphs[0].operators) - 1


def test_the_ratio_of_signal_to_noise_is_that_of_numpy():
    float_file, int8_file = files("chain")
    exact, stored = tensors(float_file), tensors(int8_file)
    result = explain(float_file, int8_file, validation()[0][:50])
    compared = [each for each in result.operators if each.tensor in exact]
    assert len(compared) >= 4
    for each in compared:
        signal = np.sum(exact[each.tensor].astype(np.float64) ** 2)
        noise = np.sum((stored[each.tensor] - exact[each.tensor]) ** 2)
        assert each.output.sqnr_db == pytest.approx(10 * np.log10(signal / noise), abs=0.01)


def simulator(name):
    float_file, int8_file = files(name)
    model = read_model(int8_file)
    return Simulator(model, match(read_model(float_file).main, model.main).weights)


def codes(content, indices):
    runner = Runner(content, "builtin", keep_tensors=True)
    samples = runner.input.to_stored(validation()[0][:20])
    return runner.read_tensors(samples, indices)


@pytest.mark.parametrize("name", ["chain", "every"])
def test_whatever_does_not_depend_on_the_float_operator_stays_as_it_is(name):
    model = simulator(name).model
    places = [operator.outputs[0] for operator in model.main.operators]
    expected = codes(model.content, places)
    same = codes(simulator(name).build(frozenset()).content, places)
    assert all(np.array_equal(*pair) for pair in zip(expected, same, strict=True))
    middle = places[len(places) // 2 :]
    changed = simulator(name).build({len(places) // 2})
    before = codes(changed.content, places[: len(places) // 2])
    assert all(np.array_equal(*pair) for pair in zip(expected, before, strict=False))
    (free,) = codes(changed.content, [changed.places[middle[0]]])
    tensor = model.main.tensors[middle[0]]
    scale, zero = tensor.quantization.scales[0], tensor.quantization.zero_points[0]
    rounded = np.clip(np.rint(free / scale) + zero, -128, 127)
    assert free.dtype == np.float32
    assert np.abs(rounded - expected[len(places) // 2]).mean() < 0.2
    assert not np.allclose(free / scale, np.rint(free / scale), atol=1e-3)


@pytest.mark.parametrize(("name", "missed"), [("chain", 0.1), ("spoiled", 0.01), ("every", 1.0)])
def test_the_simulation_makes_the_errors_that_the_file_makes(name, missed):
    found = explained(name).agreement
    assert found.trusted
    assert found.same_choice >= 0.98
    assert found.missed_error < missed
    assert 0 < found.largest_steps <= 10


def test_agreement_by_hand():
    exact = np.array([[4.0, 0.0], [0.0, 4.0]])
    file_logits = np.array([[3.0, 0.0], [0.0, 5.0]])
    simulated = np.array([[3.0, 0.5], [0.0, 4.0]])
    found = agreement(exact, file_logits, simulated, 0.5)
    assert (found.same_choice, found.equal_outputs) == (1.0, 0.5)
    assert found.largest_steps == 2.0
    assert found.missed_error == pytest.approx((0.25 + 1) / (1 + 1))
    assert found.trusted
    further = simulated + 1
    assert agreement(exact, file_logits, further, 0.1).missed_error == pytest.approx(4.25 / 2)
    assert agreement(exact, file_logits, further, 1.0).trusted  # 1.5 is 2 steps, rounded
    assert not agreement(exact, file_logits, further, 0.1).trusted


def test_keeping_every_source_in_float_gives_the_float_file():
    whole, samples = simulator("every"), validation()[0][:20]
    expected = Runner(files("every")[0]).predict(samples)
    found = Runner(whole.all_float().content).predict(samples)
    assert found == pytest.approx(expected, abs=1e-4 * float(np.ptp(expected)))
    names = {whole.graph.operators[index].name for index in whole.sources if index != INPUT}
    assert {"CONV_2D", "ADD", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "MEAN"} <= names
    assert not names & {"MAX_POOL_2D", "RESHAPE", "MAXIMUM"}


def test_files_with_int16_activations_are_explained():
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(chain())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ]
    converter.representative_dataset = lambda: ([s[None]] for s in calibration(100))
    content = converter.convert()
    wide = explain(files("chain")[0], content, *validation())
    assert wide.agreement.trusted
    assert wide.reference_error < 1e-4
    ratios = [
        [each.output.sqnr_db for each in result.operators if each.operator == "CONV_2D"]
        for result in (wide, explained("chain"))
    ]
    assert len(ratios[0]) == len(ratios[1]) == 3
    assert all(one > other for one, other in zip(*ratios, strict=True))
    assert "INT16" in {tensor.dtype for tensor in read_model(content).main.tensors}


def made(quantization=None, dtype="INT8", shape=(1, 4), data=None, index=0):
    return Tensor(index, f"t{index}", shape, shape, dtype, quantization, 0, data, False)


def test_clipped_share_and_range_use_by_hand():
    noise = TensorNoise(made(Quantization((0.5,), (-128,), 0)))
    # Codes -128 to 127 stand for 0 to 127.5.
    reference = np.array([[0.0, 127.5, 127.7, 200.0], [-3.0, 1.0, 1.2, 128.0]])
    codes = np.array([[-128, 127, 127, 127], [-128, -126, -126, 127]], np.int8)
    noise.add(reference[:1], codes[:1])
    noise.add(reference[1:], codes[1:])
    figures = noise.figures()
    # 200 and 128 lie more than half a step (0.25) above 127.5, and -3 below 0; 127.7 does not.
    assert figures.clipped == 3 / 8
    assert figures.range_use == 3 / 256
    errors = np.array([0, 0, 0.2, 72.5, 3, 0, 0.2, 0.5])
    expected = 10 * np.log10(np.sum(reference**2) / np.sum(errors**2))
    assert figures.sqnr_db == pytest.approx(expected)
    assert (figures.widest_channel, figures.channel_ratio) == (3, pytest.approx(200 / 127.5))


def test_a_tensor_without_error_or_without_signal_has_no_ratio():
    noise = TensorNoise(made(Quantization((1.0,), (0,), 0)))
    noise.add(np.zeros((1, 4)), np.zeros((1, 4), np.int8))
    assert noise.figures().sqnr_db is None
    assert noise.figures().channel_ratio is None
    noise.add(np.ones((1, 4)), np.ones((1, 4), np.int8))
    assert noise.figures().sqnr_db is None
    assert noise.figures().clipped == 0


def test_the_widest_channel_is_measured_by_the_others_that_live():
    assert widest(np.array([1.0, 100.0])) == (1, 100.0)
    assert widest(np.array([0.0, 2.0, 8.0, 4.0, 0.0])) == (2, pytest.approx(8 / 3))
    assert widest(np.array([0.0, 5.0])) == (1, None)
    assert widest(np.array([3.0])) == (None, None)


def test_weight_ranges_and_scales_are_those_of_the_kernel():
    model = chain()
    first = explained("chain").operators[1].weights
    norm, conv = model.get_layer("bn0"), model.get_layer("conv0")
    folded = conv.kernel.numpy() * (
        norm.gamma.numpy() / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
    )
    expected = np.abs(folded).max(axis=(0, 1, 2))
    assert first.channel_ranges == pytest.approx(expected, rel=1e-4)
    assert first.ratio == pytest.approx(expected.max() / expected.min(), rel=1e-4)
    assert first.scales == pytest.approx(expected / 127, rel=1e-4)
    steps = folded / (expected / 127)
    noise = np.sum((np.rint(steps) * expected / 127 - folded) ** 2)
    assert first.sqnr_db == pytest.approx(10 * np.log10(np.sum(folded**2) / noise), abs=0.1)
    assert explained("spoiled").operators[1].weights.ratio > 20


def test_regained_by_hand():
    labels = np.array([0, 1, 1, 0])
    exact = np.array([[2.0, 0], [0, 2], [0, 2], [2, 0]])
    before = np.array([[2.0, 0], [1, 0], [1, 0], [2, 0]])  # samples 1 and 2 are wrong
    after = np.array([[2.0, 0], [0, 2], [0, 2], [0, 1]])  # now 3 is
    gain = regained(labels, exact, before, after)
    assert (gain.won, gain.lost, gain.points) == (2, 1, 25.0)
    assert gain.error_share == pytest.approx(1 - 5 / 10)
    # Three unequal pairs, 2 to 1: twice the chance of at most 1 of 3 heads, at most 1.
    assert gain.p_value == 1.0
    assert mcnemar(10, 0) == pytest.approx(2 / 2**10)
    assert mcnemar(0, 0) == 1.0


def test_the_best_of_many_must_be_better_than_chance():
    labels, exact = np.zeros(20, int), np.tile([1.0, 0.0], (20, 1))
    before = exact.copy()
    before[:8] = [0.0, 1.0]
    gain = regained(labels, exact, before, exact)
    assert gain.p_value == pytest.approx(2 / 2**8)
    assert gain.is_shown(tests=1)
    assert gain.is_shown(tests=6)
    assert not gain.is_shown(tests=7)  # 7 * 2 / 256 is more than 0.05
    worse = regained(labels, exact, exact, before)
    assert worse.points == -40.0
    assert not worse.is_shown(tests=1)


def test_other_weights_are_compared_with_themselves():
    import keras

    other = keras.models.clone_model(chain())
    randomize(other, seed=5)
    result = explain(to_float32(other), files("chain")[1], *validation())
    assert result.against == "own weights"
    assert result.reference_error is None
    assert "are not those of the float file, rounded" in result.remarks[0]
    assert result.agreement.trusted
    assert result.reference_accuracy > 0.95  # that of the INT8 file's network
    assert result.float_accuracy < 0.9
    # What the weights lost is not counted: there is less noise than against the float file.
    noisy = explained("chain").operators
    assert result.operators[1].output.sqnr_db > noisy[1].output.sqnr_db


def test_operators_with_other_names_are_matched_by_their_place():
    import keras
    from keras import layers

    x = inputs = keras.Input(SHAPE)
    for number in range(3):
        x = layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"other{number}")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    renamed = keras.Model(inputs, layers.Dense(CLASSES, name="last")(x))
    renamed.set_weights(chain().get_weights())
    float_file = to_float32(renamed)
    result = explain(float_file, files("chain")[1], *validation())
    assert result.against == "float file"
    assert result.remarks == ()
    graphs = read_model(float_file).main, read_model(files("every")[1]).main
    assert "has no operator for" in match(*graphs).remarks[0]


def test_the_share_of_rounded_weights_by_hand():
    stored = np.array([[-127, 0, 50, 127]], np.int8)
    stored_tensor = made(Quantization((0.1,), (0,), 0), data=stored.view(np.uint8).reshape(-1))
    assert rounded_share(stored_tensor, np.array([[-12.7, 0.04, 5.0, 12.7]])) == 1.0
    assert rounded_share(stored_tensor, np.array([[-12.7, 0.04, 5.0, 99.0]])) == 1.0  # clipped
    assert rounded_share(stored_tensor, np.array([[-12.7, 0.04, 5.3, 12.7]])) == 0.75


def test_a_pooling_bound_to_its_inputs_scale_goes_with_the_operator_before_it():
    same, other = Quantization((0.5,), (3,), 0), Quantization((0.25,), (0,), 0)
    grids = (same, other, other, other, same)
    tensors = tuple(made(grid, index=i) for i, grid in enumerate(grids))

    def operator(index, name, source, result):
        return Operator(index, name, 1, False, (source,), (result,), {})

    operators = (
        operator(0, "CONV_2D", 0, 1),
        operator(1, "MAX_POOL_2D", 1, 2),
        operator(2, "AVERAGE_POOL_2D", 2, 3),
        operator(3, "CONV_2D", 3, 4),
    )
    graph = Graph("g", tensors, operators, (0,), (4,))
    assert [rounds(graph, each) for each in operators] == [True, False, True, True]
    assert with_followers(graph, {0}) == {0, 2}
    assert with_followers(graph, {2}) == {2}
    assert with_followers(graph, {INPUT}) == {INPUT}


def test_the_operator_with_the_largest_error_is_tested_alone():
    def with_gain(each, won, share):
        gain = Regained(won, 0, won / 2.0, mcnemar(won, 0), share)
        return dataclasses.replace(each, regained=gain)

    result = explained("chain")
    sources = [with_gain(each, 0, 0.01) for each in result.operators]
    assert not find(sources, result.agreement, 200).costs_accuracy
    few = [*sources[:3], with_gain(sources[3], 6, 0.9), *sources[4:]]  # p is 2 / 2**6 = 0.031
    finding = find(few, result.agreement, 200)
    assert (finding.worst, finding.costs_accuracy) == (sources[3].index, True)
    assert "costs 3.0 points" in finding.sentence
    assert "6 wrong answers right and 0 right" in finding.sentence
    assert "--method mixed" in finding.sentence
    chance = [with_gain(sources[0], 0, 0.9), *few[1:3], with_gain(sources[3], 6, 0.1)]
    assert not find(chance + sources[4:], result.agreement, 200).costs_accuracy
    many = [with_gain(sources[0], 0, 0.9), *few[1:3], with_gain(sources[3], 9, 0.1)]
    assert find(many + sources[4:], result.agreement, 200).worst == sources[3].index


def test_a_simulation_that_does_not_follow_the_file_blames_nobody():
    logits = np.eye(4)[np.arange(200) % 4]
    wrong = logits.copy()
    wrong[:10] = np.roll(wrong[:10], 1, axis=1)
    agrees = agreement(logits * 2, logits, wrong, 0.1)
    assert agrees.same_choice == 0.95
    assert not agrees.trusted
    finding = find(explained("spoiled").operators, agrees, 200)
    assert finding.worst is None
    assert "95.00% of 200 samples" in finding.sentence
    wrong[2:10] = logits[2:10]
    assert agreement(logits * 2, logits, wrong, 0.1).trusted
    few = (logits[:3] * 2, logits[:3], wrong[:3], 0.1)
    assert agreement(*few).same_choice == pytest.approx(1 / 3)
    assert not agreement(*few).trusted  # 2 of 3 differ, which 98 % does not let pass
    assert not agreement(logits[:3] * 1.1, *few[1:]).trusted  # more is missed than there is


def test_without_labels_the_float_files_choices_count():
    samples = validation()[0]
    result = explain(*files("spoiled"), samples)
    assert not result.labelled
    assert result.float_accuracy == 1.0
    assert result.finding == explained("spoiled").finding


def test_the_explanation_is_plain_json_and_progress_ends_where_it_should():
    seen = []
    result = explain(*files("chain"), validation()[0][:7], progress=lambda *pair: seen.append(pair))
    assert seen[-1][0] == seen[-1][1]
    assert all(one[0] <= two[0] for one, two in itertools.pairwise(seen))
    content = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert content["schema"] == "hintlite-explanation/1"
    assert content["operators"][0]["operator"] == "INPUT"


def test_what_cannot_be_explained_is_refused():
    float_file, int8_file = files("chain")
    with pytest.raises(ModelError, match="rounds nothing"):
        explain(float_file, float_file, validation()[0])
    with pytest.raises(HintliteError, match="at least 1 sample"):
        explain(float_file, int8_file, np.zeros((0, *SHAPE), np.float32))
    with pytest.raises(HintliteError, match="labels of shape"):
        explain(float_file, int8_file, validation()[0], np.zeros(3, np.int64))
    with pytest.raises(HintliteError, match="keep_tensors"):
        Runner(int8_file).read_tensors(np.zeros((1, *SHAPE), np.int8), [0])
    with pytest.raises(HintliteError, match="XNNPACK"):
        Runner(int8_file, keep_tensors=True)


def test_files_of_unknown_origin_are_explained_in_a_process_of_their_own():
    samples, labels = validation()
    seen = []
    with Worker() as worker:
        found = worker.explain(
            *files("spoiled"), samples, labels, progress=lambda *pair: seen.append(pair)
        )
        with pytest.raises(ModelError, match="not a TFLite model"):
            worker.explain(b"nothing at all, and long", files("chain")[1], samples)
        assert worker.starts == 1
    assert found == json.loads(json.dumps(explained("spoiled").to_dict()))
    assert seen[-1][0] == seen[-1][1]
