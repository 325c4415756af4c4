"""Students scaled to a size, and the closed-form count against built networks."""

import itertools
from dataclasses import replace

import pytest

from hintlite.errors import HintliteError
from hintlite.models.cost import count_parameters
from hintlite.models.scaling import parameters_of, scale_to
from hintlite.models.settings import NetworkConfig, preset
from hintlite.models.student import build_student

SHAPE = (8, 8, 3)
VARIANTS = [
    {"block": block, "residual": residual, "batch_norm": batch_norm, "depths": depths}
    for block, residual, batch_norm in itertools.product(
        ("plain", "separable"), (False, True), (False, True)
    )
    for depths in ((1, 2, 3), (4, 2, 1))
]


@pytest.mark.parametrize(
    "settings",
    [
        *({**variant, "widths": (4, 4, 6)} for variant in VARIANTS),
        {"family": "resnet8", "widths": (3, 5), "depths": (2, 4)},
        {"family": "resnet8", "widths": (4, 4), "depths": (2, 2), "batch_norm": False},
        {"widths": (4, 4, 6), "depths": (2, 2, 1), "residual": True, "first_stride": 2},
        {"family": "resnet8", "widths": (3, 5), "depths": (2, 2), "first_stride": 2},
        {"family": "ds_cnn", "widths": (5, 7), "depths": (1, 2)},
        {"family": "ds_cnn", "widths": (5, 7), "depths": (1, 2), "batch_norm": False},
    ],
)
def test_the_closed_form_equals_the_built_network(settings):
    config = NetworkConfig(**settings).resolved()

    assert parameters_of(config, SHAPE, 10) == count_parameters(build_student(config, SHAPE, 10))


OVER_TIME = {"widths": (4, 6), "depths": (2, 3), "kernel": 5}


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"family": "tcn", **OVER_TIME}, (32, 3)),
        ({"family": "tcn", **OVER_TIME, "residual": True, "block": "separable"}, (32, 3)),
        ({"family": "tcn", **OVER_TIME, "stage_stride": 3, "dilation": 1}, (32, 3)),
        ({"family": "conv_lstm", **OVER_TIME}, (32, 3)),
        ({"family": "conv_lstm", **OVER_TIME, "recurrent": "gru", "batch_norm": False}, (32, 3)),
        ({"widths": (4, 4, 6), "depths": (1, 2, 2), "residual": True}, (32, 3)),
        ({"family": "resnet8", "widths": (3, 5), "depths": (2, 4)}, (32, 3)),
        ({"family": "ds_cnn", "widths": (5, 7), "depths": (1, 2)}, (32, 3)),
        ({"widths": (4, 4, 6), "depths": (1, 2, 2), "residual": True}, (13,)),
        ({"family": "resnet8", "widths": (3, 5), "depths": (2, 4)}, (13,)),
    ],
)
def test_the_closed_form_holds_over_one_axis_and_over_none(settings, shape):
    config = NetworkConfig(**settings).resolved()
    network = build_student(config, shape, 10)

    assert parameters_of(config, shape, 10) == count_parameters(network)
    assert {len(tap.shape) for name, tap in network.output.items() if name != "logits"} == {
        len(shape) + 1
    }


@pytest.mark.parametrize("family", ["tcn", "conv_lstm"])
def test_networks_over_time_are_scaled(family):
    config = NetworkConfig(family=family, times_fewer=10.0, channel_multiple=1).resolved()

    scaled = scale_to(config, (128, 6), 6, 100_000)

    assert 9_000 < parameters_of(scaled, (128, 6), 6) <= 10_000


@pytest.mark.parametrize("family", ["thin_deep", "resnet8", "ds_cnn"])
@pytest.mark.parametrize("times_fewer", [1.0, 3.6, 10.44, 36.0, 100.0])
def test_scaled_widths_come_near_from_below(family, times_fewer):
    config = NetworkConfig(family=family, times_fewer=times_fewer, channel_multiple=1).resolved()
    limit = 289_066 / times_fewer

    scaled = scale_to(config, (28, 28, 1), 10, 289_066)
    parameters = parameters_of(scaled, (28, 28, 1), 10)

    assert 0.9 * limit < parameters <= limit
    assert scaled.times_fewer is None


def test_no_neighbour_of_the_scaled_widths_is_nearer():
    config = NetworkConfig(times_fewer=10.0, channel_multiple=1).resolved()

    widths = scale_to(config, (28, 28, 1), 10, 289_066).widths
    grown = [
        NetworkConfig(widths=tuple(w + (i == j) for j, w in enumerate(widths)), depths=(4, 5, 4))
        for i in range(3)
    ]

    assert all(parameters_of(g, (28, 28, 1), 10) > 28_906 for g in grown)


@pytest.mark.parametrize("family", ["thin_deep", "resnet8", "ds_cnn"])
def test_channels_come_in_multiples_of_8_by_default(family):
    config = NetworkConfig(family=family, times_fewer=10.4).resolved()
    scaled = scale_to(config, (28, 28, 1), 10, 289_066)
    assert all(width % 8 == 0 for width in scaled.widths)
    assert parameters_of(scaled, (28, 28, 1), 10) <= 289_066 / 10.4


@pytest.mark.parametrize(
    ("widths", "depths", "expected", "parameters"),
    [
        # As they are they take 95 and 90 % of the 27,794 parameters: in proportion.
        ((16, 16, 16), (1, 6, 5), (16, 16, 16), 26_426),
        ((16, 24, 24), (1, 2, 3), (16, 24, 24), 25_130),
        # No multiples come within a tenth of the size: the nearest.
        ((8, 16, 20), (4, 5, 4), (8, 8, 24), 22_882),
    ],
)
def test_multiples_keep_the_proportions_where_the_size_allows(widths, depths, expected, parameters):
    config = NetworkConfig(widths=widths, depths=depths, times_fewer=10.4)
    scaled = scale_to(config, (28, 28, 1), 10, 289_066)
    assert scaled.widths == expected
    assert parameters_of(scaled, (28, 28, 1), 10) == parameters
    if parameters < 0.9 * 289_066 / 10.4:
        steps = itertools.product((-8, 0, 8), repeat=3)
        near = [tuple(w + d for w, d in zip(expected, step, strict=True)) for step in steps]
        counts = [
            parameters_of(replace(config, widths=w), (28, 28, 1), 10) for w in near if min(w) >= 8
        ]
        assert max(count for count in counts if count <= 289_066 / 10.4) == parameters


def test_eight_channels_a_stage_may_be_too_many():
    config = NetworkConfig(widths=(8, 8), depths=(2, 2), times_fewer=10.0, channel_multiple=8)

    with pytest.raises(HintliteError, match=r"with 8 channels in each stage .* channel_multiple"):
        build_student(config, SHAPE, 10, teacher_parameters=10_000)


def test_the_proportions_of_the_widths_are_kept():
    config = NetworkConfig(
        widths=(10, 20, 40), depths=(2, 2, 2), times_fewer=2.0, channel_multiple=1
    )

    first, second, third = scale_to(config, (28, 28, 1), 10, 1_000_000).widths

    assert second / first == pytest.approx(2, abs=0.15)
    assert third / second == pytest.approx(2, abs=0.15)


def test_the_built_student_is_that_much_smaller():
    config = NetworkConfig(times_fewer=20.0, residual=True, channel_multiple=1)

    student = build_student(config, SHAPE, 10, teacher_parameters=100_000)

    assert 4_500 < count_parameters(student) <= 5_000


def test_without_times_fewer_the_teacher_does_not_matter():
    student = build_student(NetworkConfig(preset="thin_8_16_20"), (28, 28, 1), 10, 5)

    assert count_parameters(student) == 26_826


def test_times_fewer_without_a_teacher_is_refused():
    with pytest.raises(HintliteError, match="pass teacher_parameters"):
        build_student(NetworkConfig(times_fewer=4.0), SHAPE, 10)


def test_a_size_below_one_channel_a_stage_is_refused_with_the_smallest():
    config = NetworkConfig(
        widths=(8, 8), depths=(2, 2), batch_norm=False, times_fewer=50.0, channel_multiple=1
    )
    # (9*3 + 1) + 3 (9 + 1) + 2*10 = 78 parameters at the least

    with pytest.raises(
        HintliteError, match=r"leaves 20, .* still has 78; use times_fewer of at most"
    ):
        build_student(config, SHAPE, 10, teacher_parameters=1_000)


def test_a_family_that_cannot_be_scaled_is_refused():
    with pytest.raises(HintliteError, match="family 'fitnet'"):
        scale_to(preset("fitnet1"), (32, 32, 3), 10, 9_000_000)
