"""The named networks, as data: preset -> fields of NetworkConfig (hintlite/models/settings.py).

The FitNets are those of Romero et al., arXiv 1412.6550, table 1 and its supplement. What the paper
leaves open is filled in so that its own figures come out:

* The CIFAR-10 teacher has the kernels and paddings of the maxout paper (8, 8, 5; 4, 3, 3), pools
  that keep their last, partial window, and 2 pieces in the fully connected layer: 9.04 M weights
  and 725.1 M multiplications ("~9 M", "~725 M"). With the 5 pieces of the authors' settings file
  it would be 16.2 M, without the partial windows 7.3 M.
* The MNIST pair has 2 pieces everywhere: 361,066 and 30,130 parameters ("~361 K", "~30 K"). The
  authors' file says 4 pieces for the teacher's last layer and the student's last two: 418,714 and
  36,226 parameters.
* The students' fully connected layers have 2 pieces, which gives the table's counts; the authors'
  settings file says 5.
* FitNet 3, as its layers are printed, has 1.50 M weights and 324 M multiplications, not the 1.6 M
  and 392 M of the table; with 64 channels in all four layers of its first group it would have
  1.57 M and 391.8 M. The preset is the printed list.
"""

from typing import Any, Literal


def _layer(channels: int, **fields: int) -> dict[str, int]:
    """The fields of one MaxoutLayer."""
    return {"channels": channels, **fields}


def _fitnet(*stages: tuple[int, ...]) -> dict[str, Any]:
    """A FitNet: 3x3 maxout convolutions, pools of 2, 2 and 8 pixels, fully connected 500."""
    layers: list[dict[str, int]] = []
    for channels, pool in zip(stages, (2, 2, 8), strict=True):
        layers += [_layer(width) for width in channels[:-1]]
        layers.append(_layer(channels[-1], pool=pool))
    return {"family": "fitnet", "layers": tuple(layers), "fc_units": 500}


Preset = Literal[
    "vgg_32_64_128",
    "thin_8_16_20",
    "resnet8",
    "ds_cnn",
    "fitnet1",
    "fitnet2",
    "fitnet3",
    "fitnet4",
    "fitnet_cifar10_teacher",
    "fitnet_mnist_teacher",
    "fitnet_mnist_student",
]
PRESETS: dict[Preset, dict[str, Any]] = {
    "vgg_32_64_128": dict(widths=(32, 64, 128), depths=(2, 2, 2)),
    "thin_8_16_20": dict(widths=(8, 16, 20), depths=(4, 5, 4)),
    # MLPerf Tiny's image classification and keyword spotting networks, less the biases that
    # the batch normalization after them makes idle.
    "resnet8": dict(family="resnet8"),
    "ds_cnn": dict(family="ds_cnn", dropout=0.4),
    "fitnet1": _fitnet((16, 16, 16), (32, 32, 32), (48, 48, 64)),
    "fitnet2": _fitnet((16, 32, 32), (48, 64, 80), (96, 96, 128)),
    "fitnet3": _fitnet((32, 48, 64, 64), (80,) * 4, (128,) * 3),
    "fitnet4": _fitnet((32, 32, 32, 48, 48), (80,) * 6, (128,) * 6),
    "fitnet_cifar10_teacher": dict(
        family="fitnet",
        layers=(
            _layer(96, kernel=8, padding=4, pool=4, pool_stride=2),
            _layer(192, kernel=8, padding=3, pool=4, pool_stride=2),
            _layer(192, kernel=5, padding=3, pool=2, pool_stride=2),
        ),
        fc_units=500,
    ),
    "fitnet_mnist_teacher": dict(
        family="fitnet",
        layers=(
            _layer(48, kernel=8, padding=0, pool=4, pool_stride=2),
            _layer(48, kernel=8, padding=3, pool=4, pool_stride=2),
            _layer(24, kernel=5, padding=3, pool=2, pool_stride=2),
        ),
    ),
    "fitnet_mnist_student": dict(
        family="fitnet",
        layers=(
            _layer(16, kernel=5, padding=0),
            _layer(16, kernel=3, padding=0, pool=4, pool_stride=2),
            _layer(16, kernel=5, padding=3),
            _layer(16, kernel=3, padding=0, pool=4, pool_stride=2),
            _layer(12, kernel=3, padding=3),
            _layer(12, kernel=3, padding=0, pool=2, pool_stride=2),
        ),
    ),
}
