"""What the worker runs for files of unknown origin, and its limits of time and memory."""

import math
from pathlib import Path

import numpy as np
import pytest

from hintlite.deploy.interpret.runtime import Runner
from hintlite.deploy.interpret.worker import Worker, WorkerDiedError
from hintlite.deploy.tflite.graph import ModelError

TINY = (Path(__file__).parent / "data" / "tiny_int8.tflite").read_bytes()
SHAPE = Runner(TINY).input.shape[1:]


def test_outputs_are_those_of_the_same_interpreter_here():
    samples = np.random.default_rng(0).normal(size=(300, *SHAPE)).astype(np.float32)
    seen = []

    with Worker() as worker:
        found = worker.predict(TINY, samples, "builtin", progress=lambda *pair: seen.append(pair))

    np.testing.assert_array_equal(found, Runner(TINY, "builtin").predict(samples))
    assert seen[-1] == (300, 300)


def test_a_refusal_is_the_same_sentence_and_ends_nothing():
    with Worker() as worker:
        for model, samples, words in (
            (b"nothing at all, and long", np.zeros((1, *SHAPE)), "not a TFLite model"),
            (TINY, np.zeros((1, 3, 3)), "The model takes int8 samples of shape"),
            (TINY, np.full((1, *SHAPE), np.nan), "Cannot quantize NaN"),
        ):
            with pytest.raises(ModelError, match=words):
                worker.predict(model, samples)
        assert worker.starts == 1


def test_an_explanation_that_takes_too_long_is_ended():
    with (
        Worker(limit_s=0.0) as worker,
        pytest.raises(WorkerDiedError, match=r"did not answer within 0 s.*too large"),
    ):
        worker.explain(TINY, TINY, np.zeros((1, *SHAPE), np.float32))


@pytest.mark.whole
def test_an_explanation_that_takes_too_much_memory_is_ended():
    many = np.zeros((300_000_000 // (4 * math.prod(SHAPE)), *SHAPE), np.float32)  # one copy fits
    with (
        Worker(memory_bytes=700 << 20) as worker,
        pytest.raises(WorkerDiedError, match=r"0\.7 GiB of memory.*its samples are too large"),
    ):
        worker.explain(TINY, TINY, many)
