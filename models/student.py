"""The student: any network of a config, scaled to the teacher's size where asked."""

import keras

from hintlite.errors import NetworkError
from hintlite.models.network import build_network
from hintlite.models.scaling import scale_to
from hintlite.models.settings import NetworkConfig


def build_student(
    config: NetworkConfig,
    input_shape: tuple[int, ...],
    classes: int,
    teacher_parameters: int | None = None,
) -> keras.Model:
    """Build the student.

    Args:
        config: family and shape; with times_fewer the widths are scaled.
        input_shape: (h, w, c) of images, (time, c) of series, (c,) of the rows of a table.
        classes: number of classes.
        teacher_parameters: parameters of the teacher, which times_fewer refers to.

    Returns:
        Functional network with the outputs "logits" [batch, classes] (no softmax) and its taps
        "stage1", ... [batch, h, w, c], [batch, time, c] or [batch, c].

    Raises:
        NetworkError: the network does not fit the data, or times_fewer cannot be met.
    """
    config = config.resolved()
    if config.times_fewer is None:
        return build_network(config, input_shape, classes)
    if teacher_parameters is None or teacher_parameters < 1:
        raise NetworkError(
            f"times_fewer {config.times_fewer} needs the number of parameters of the teacher, got "
            f"{teacher_parameters}; pass teacher_parameters, or give the student its widths."
        )
    return build_network(
        scale_to(config, input_shape, classes, teacher_parameters), input_shape, classes
    )
