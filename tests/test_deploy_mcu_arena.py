"""The arena computed from the file against the interpreter's own record, and measured targets."""

from dataclasses import replace
from pathlib import Path

import pytest
from c_export_cases import KINDS, make_case
from c_export_models import ModelBuilder
from c_export_networks import FAMILIES

from hintlite.benchmarks.targets.tflm_arena import bisect, parse_record
from hintlite.deploy.interpret.worker import Worker
from hintlite.deploy.mcu.abi import ILP32, LP64, layout
from hintlite.deploy.mcu.arena import cmsis_nn_arena, estimate_arena
from hintlite.deploy.mcu.structures import EVAL_TENSOR, HOST, NODE_AND_REGISTRATION, TENSOR
from hintlite.deploy.tflite.buffers import Buffer
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.graph import ModelError
from hintlite.deploy.tflite.lifetimes import Lifetimes
from hintlite.deploy.tflite.planner import greedy_plan

DATA = Path(__file__).parent / "data"
REFERENCE = DATA / "reference_cnn_int8.tflite"
FILES = {"reference": REFERENCE, "tiny": DATA / "tiny_int8.tflite"}
# Noted on an emulated Cortex-M4 (QEMU) with TFLM's source of August 2026.
MEASURED_REFERENCE, MEASURED_CMSIS_NN = 19_156, 19_796


@pytest.fixture(scope="module")
def worker():
    with Worker() as one:
        yield one


def test_structures_have_the_sizes_that_compilers_give_them():
    # {int8; int32; pointer} and {double; int8}, by hand.
    assert [layout("bip", abi) for abi in (ILP32, LP64)] == [(12, 4), (16, 8)]
    assert [layout("db", abi) for abi in (ILP32, LP64)] == [(16, 8), (16, 8)]
    assert layout("3h", ILP32) == (6, 2)
    sizes = {f: layout(f, LP64)[0] for f in (EVAL_TENSOR, NODE_AND_REGISTRATION, TENSOR)}
    assert list(sizes.values()) == [24, 64, 64]  # as the interpreter's record counts them


def test_the_reference_model_is_within_two_percent_and_never_below():
    model = read_model(REFERENCE)
    found = estimate_arena(model).arena_bytes, cmsis_nn_arena(model).arena_bytes
    for estimate, measured in zip(found, (MEASURED_REFERENCE, MEASURED_CMSIS_NN), strict=True):
        assert measured <= estimate <= 1.02 * measured


@pytest.mark.parametrize("name", [*FILES, *FAMILIES])
def test_the_host_s_own_record_is_explained_to_the_byte(worker, name):
    """The same computation for the package's 64-bit build gives what its interpreter records."""
    content = FILES[name].read_bytes() if name in FILES else FAMILIES[name]()
    record = parse_record(worker.record(content, 1 << 22))
    host = estimate_arena(read_model(content), build=HOST)
    assert host.non_persistent_bytes == record.non_persistent
    assert host.tail_bytes == record.persistent
    found = host.persistent_bytes
    names = ("tensors", "nodes", "kernels", "ends")
    assert [found[n] for n in names] == [getattr(record, n) for n in names]


@pytest.mark.parametrize("kind", KINDS)
def test_each_operator_s_memory_is_known(worker, kind):
    """One operator alone: what the host's interpreter records, or up to 16 bytes more."""
    content = make_case(kind, 2).model
    record = parse_record(worker.record(content, 1 << 22))
    host = estimate_arena(read_model(content), build=HOST)
    assert host.assumed == ()
    assert host.non_persistent_bytes == record.non_persistent
    assert record.persistent <= host.tail_bytes <= record.persistent + 16


def test_bisection_finds_what_the_estimate_for_the_host_says(worker):
    content = FAMILIES["ds_cnn"]()  # more is taken while it prepares than when it runs
    smallest = bisect(worker, content)
    assert smallest == estimate_arena(read_model(content), build=HOST).arena_bytes
    assert smallest > parse_record(worker.record(content, 1 << 22)).total
    assert not worker.fits(content, smallest - 16)


def test_the_largest_buffer_is_placed_first_and_gaps_are_used():
    spans = [(32, 0, 1), (64, 1, 2), (16, 2, 3), (48, 3, 4)]
    buffers = tuple(Buffer(str(size), size, first, last) for size, first, last in spans)
    # By hand: 64 at 0; 48 meets nothing of it, at 0; 32 behind 64; 16 behind both 64 and 48.
    assert greedy_plan(Lifetimes(tuple("abcde"), buffers)).offsets == (64, 0, 64, 0)


def test_what_is_not_known_of_an_operator_is_said():
    builder = ModelBuilder()
    x, y = (builder.tensor([1, 4, 4, 2], 0.1, 0) for _ in range(2))
    builder.operator("EXP", [x], [y])
    assert estimate_arena(read_model(builder.finish([x], [y]))).assumed == ("EXP",)


def test_operators_that_tflm_does_not_have_are_refused():
    builder = ModelBuilder()
    x, y = (builder.tensor([1, 4], 0.1, 0) for _ in range(2))
    builder.operator("RANK", [x], [y])
    with pytest.raises(ModelError, match=r"RANK.*cannot register"):
        estimate_arena(read_model(builder.finish([x], [y])))


def test_cmsis_nn_asks_for_scratch_as_its_sources_say():
    """im2col columns of the second convolution, 3x3x16: 2 of int16 (DSP), 4 of int8 (MVE)."""
    model = read_model(REFERENCE)
    plain = estimate_arena(model).non_persistent_bytes
    for kernels in ("cmsis_nn_dsp", "cmsis_nn_mve"):
        assert estimate_arena(model, kernels).non_persistent_bytes == plain + 2 * 2 * 3 * 3 * 16


def test_an_output_that_is_left_out_is_refused():
    model = read_model(REFERENCE)
    first = replace(model.main.operators[0], outputs=(*model.main.operators[0].outputs, -1))
    graph = replace(model.main, operators=(first, *model.main.operators[1:]))
    with pytest.raises(ModelError, match="leaves out an output"):
        estimate_arena(replace(model, graphs=(graph,)))


def test_a_record_of_another_form_is_refused():
    from hintlite.benchmarks.targets.base import BenchmarkError

    with pytest.raises(BenchmarkError, match="no allocation record"):
        parse_record("Arena allocation total 100\n")
