"""Labels of text: their sorted names are the classes, and travel to the bundle."""

import json
from pathlib import Path

import numpy as np
import own_models
import pytest

import hintlite
from hintlite.pipeline.app.python.samples import Task, named, read_samples

NAMES = np.array(["ant", "bee", "cat"])
TASK = Task((6, 6, 1), 3)


def in_words(data):
    return data[0], NAMES[data[1]]


@pytest.fixture(scope="module")
def teacher():
    return own_models.trained_teacher()


@pytest.mark.parametrize(
    "form", [np.asarray, list, lambda y: y.astype(object), lambda y: y[:, None]]
)
def test_names_become_the_numbers_of_the_sorted_names(form):
    x, y = own_models.samples(9)
    data = x, form(NAMES[y])
    task = named(TASK, None, data, "train", "class_names")
    assert task.names == tuple(NAMES)
    np.testing.assert_array_equal(read_samples(data, task, "train").labels, y)


def test_given_names_order_the_classes():
    x, y = own_models.samples(9)
    task = named(TASK, NAMES[::-1], (x, NAMES[y]), "train", "class_names")
    np.testing.assert_array_equal(read_samples((x, NAMES[y]), task, "train").labels, 2 - y)


def test_names_that_do_not_fit_are_refused():
    x, y = own_models.samples(9)
    with pytest.raises(
        hintlite.HintliteError, match=r"labels of 2 names \(ant, bee\).*give labels"
    ):
        named(TASK, None, (x, NAMES[y % 2]), "test", "labels")
    task = named(TASK, None, (x, NAMES[y]), "train", "class_names")
    with pytest.raises(hintlite.HintliteError, match="dog"):
        read_samples((x, np.full(9, "dog")), task, "validation")
    with pytest.raises(hintlite.HintliteError, match="labels are text"):
        read_samples((x, NAMES[y]), TASK, "train")


def test_a_dataset_of_text_is_told_what_to_do():
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(in_words(own_models.samples(9)))
    with pytest.raises(hintlite.HintliteError, match="labels are text; map"):
        read_samples(dataset, TASK, "train")


@pytest.mark.whole
def test_names_go_through_distill_quantize_evaluate_and_bundle(teacher, tmp_path):
    train, validation = in_words(own_models.samples()), in_words(own_models.samples(18, seed=2))
    student = hintlite.distill(
        teacher, own_models.student(), train, validation, method="kd", epochs=6, batch_size=8
    )
    files = hintlite.quantize(student, train, validation, strict=False)
    assert files.labels == tuple(NAMES)
    device = hintlite.bundle(files, tmp_path / "out")
    assert json.loads((device / "manifest.json").read_text())["task"]["labels"] == [*NAMES]
    test = own_models.samples(21, seed=7)
    some = test[0][:2], NAMES[test[1][:2]]  # a class is missing: the names come with the file
    for model in (files, device, Path(device)):
        assert hintlite.evaluate(model, some).total == 2
    told = hintlite.evaluate(teacher, in_words(test))
    assert told.correct == hintlite.evaluate(teacher, test).correct
    assert hintlite.evaluate(teacher, some, labels=NAMES).total == 2
    assert hintlite.explain(files, some).samples == 2
