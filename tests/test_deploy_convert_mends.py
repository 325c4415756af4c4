"""What the converter gets wrong in an integer file, put right."""

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from hintlite.deploy.convert.convert import to_float32, to_int8
from hintlite.deploy.convert.mends import with_integer_splits
from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.inspect import inspect
from hintlite.deploy.tflite.repack import pack, unpack


def _samples():
    return np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


def _network():
    """Its SPLIT has an output that nobody reads."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    _, middle, last = keras.ops.split(keras.layers.Dense(9)(inputs), 3, axis=-1)
    both = keras.ops.tanh(middle) + keras.ops.sigmoid(last)
    return keras.Model(inputs, keras.layers.Dense(3)(both))


def _with_float_split(content):
    """The file as the converter makes it at times: the SPLIT between types."""
    file = unpack(content)
    graph = file.subgraphs[0]
    names = [each.name for each in read_model(content).main.operators]
    place = names.index("SPLIT")
    split = graph.operators[place]
    source = int(split.inputs[1])

    def code(builtin):
        made = schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = builtin
        made.version = 1
        file.operatorCodes.append(made)
        return len(file.operatorCodes) - 1

    def tensor(like, kind):
        made = schema.TensorT()
        made.shape, made.name, made.buffer = like.shape, like.name, 0
        made.type, made.quantization = kind, like.quantization if kind else None
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(kind, given, result):
        made = schema.OperatorT()
        made.opcodeIndex = kind
        made.inputs, made.outputs = np.array([given], np.int32), np.array([result], np.int32)
        return made

    before = tensor(graph.tensors[source], schema.TensorType.FLOAT32)
    split.inputs = np.array([split.inputs[0], before], np.int32)
    readers, new = [], {}
    to_integers = code(schema.BuiltinOperator.QUANTIZE)
    to_float = code(schema.BuiltinOperator.DEQUANTIZE)
    for output in split.outputs:
        if any(output in each.inputs for each in graph.operators):
            new[output] = tensor(graph.tensors[output], schema.TensorType.INT8)
            readers.append(operator(to_integers, output, new[output]))
    for each in graph.operators:
        each.inputs = np.array([new.get(index, index) for index in each.inputs], np.int32)
    for output in split.outputs:
        graph.tensors[output].type = schema.TensorType.FLOAT32
        graph.tensors[output].quantization = None
    graph.operators[place + 1 : place + 1] = readers
    graph.operators.insert(place, operator(to_float, source, before))
    return pack(file, len(content))


def test_a_split_left_in_float_works_on_integers_and_gives_the_same():
    samples = _samples()
    content = to_int8(_network(), samples)
    spoiled = _with_float_split(content)
    assert not inspect(spoiled).is_full_int8

    whole = with_integer_splits(spoiled)

    assert inspect(whole).is_full_int8
    assert inspect(whole).operator_counts == inspect(content).operator_counts
    given = (Runner(each).predict(samples) for each in (content, spoiled, whole))
    first, *others = given
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_a_sound_file_stays_as_it_is():
    content = to_int8(_network(), _samples())
    assert with_integer_splits(content) == content


@pytest.mark.parametrize("attempt", range(5))
def test_an_output_that_nobody_reads_leaves_no_split_in_float(attempt):
    """The converter left it in float in a third of its runs."""
    assert inspect(to_int8(_network(), _samples())).is_full_int8


def test_a_float_file_stays_as_it_is():
    content = to_float32(_network())
    assert with_integer_splits(content) == content
