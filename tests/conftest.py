"""Settings that every test shares."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import pytest


@pytest.fixture
def tiny_pair():
    """A teacher and a student of the same stages and unequal channels, for 8x8 images."""
    import keras

    from models.presets import NetworkConfig
    from models.student import build_student
    from models.teacher import build_teacher

    keras.utils.set_random_seed(3)
    teacher = build_teacher(NetworkConfig(widths=(6, 8), depths=(1, 1)), (8, 8, 1), 4)
    student = build_student(NetworkConfig(widths=(3, 4), depths=(2, 2)), (8, 8, 1), 4)
    return teacher, student
