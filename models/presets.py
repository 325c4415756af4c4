"""Networks as data: the settings of one network, and the named ones (no Keras here).

The FitNets are those of Romero et al., arXiv 1412.6550, table 1 and its supplement. What the paper
leaves open is filled in so that its own figures come out:

* The CIFAR-10 teacher has the kernels and paddings of the maxout paper (8, 8, 5; 4, 3, 3), pools
  that keep their last, partial window, and 2 pieces in the fully connected layer: 9.04 M weights
  and 725.1 M multiplications ("~9 M", "~725 M"). With the 5 pieces of the authors' settings file
  it would be 16.2 M, without the partial windows 7.3 M.
* The MNIST pair has 2 pieces everywhere: 361,066 and 30,130 parameters ("~361 K", "~30 K"). The
  authors' file says 4 pieces for the teacher's last layer and the student's last two: 418,714 and
  36,226 parameters.
* FitNet 3, as its layers are printed, has 1.50 M weights and 324 M multiplications, not the 1.6 M
  and 392 M of the table; with 64 channels in all four layers of its first group it would have
  1.57 M and 391.8 M. The preset is the printed list.
"""

from dataclasses import dataclass, field, replace

from models.config_checks import FAMILY_SHAPES, check_network


@dataclass(frozen=True)
class MaxoutLayer:
    """One maxout convolution of a FitNet: the maximum of `pieces` convolutions, then a max pool.

    Attributes:
        channels: output channels.
        kernel: side of the square kernel, in pixels.
        padding: zeros on each of the four sides, in pixels.
        pieces: convolutions that the maximum is taken of (1: a linear layer).
        pool: side of the max pool after it, in pixels; 0 for none.
        pool_stride: step of the pool, in pixels; 0 means the pool's own side.
    """

    channels: int
    kernel: int = 3
    padding: int = 1
    pieces: int = 2
    pool: int = 0
    pool_stride: int = 0

    def __post_init__(self) -> None:
        for name in ("channels", "kernel", "pieces"):
            if getattr(self, name) < 1:
                raise ValueError(f"layer {name} must be at least 1, got {getattr(self, name)}.")
        for name in ("padding", "pool", "pool_stride"):
            if getattr(self, name) < 0:
                raise ValueError(f"layer {name} must not be negative, got {getattr(self, name)}.")
        if self.pool_stride > self.pool:
            raise ValueError(
                f"layer pool_stride is {self.pool_stride} but pool is {self.pool}: a pool that "
                "steps over pixels loses them; set pool_stride to at most pool."
            )


@dataclass(frozen=True)
class NetworkConfig:
    """Settings of one network. A field that the family does not use is refused, not ignored.

    Attributes:
        family: "thin_deep" (stages of 3x3 convolutions with 2x2 max pools between), "fitnet"
            (maxout layers as data), "resnet8", "ds_cnn", or "keras_file" (a user's own model).
        preset: name in PRESETS; stands for all other fields, which are then left alone.
        widths: channels per stage; empty for the family's own.
        depths: convolutions (ds_cnn: blocks) per stage; empty for the family's own.
        residual: shortcuts around pairs of convolutions.
        block: "plain" convolutions or "separable" ones (depthwise 3x3, then pointwise 1x1).
        activation: "relu" or "relu6".
        batch_norm: normalize after each convolution; without it convolutions have biases.
        dropout: rate before the last layer.
        l2: weight of the squared norm of all kernels in the loss.
        times_fewer: scale the widths so that the network has at least this many times fewer
            parameters than a reference network, and as near to it as whole channels allow.
        channel_multiple: with times_fewer, widths are multiples of this; 8 fills the vectors of
            processors, where odd numbers of channels take as long as the next multiple.
        path: the user's .keras file (family "keras_file").
        taps: tap name -> layer path in that file, as in {"stage2": "base/block_6_project_BN"}.
        layers: the convolutional layers of a FitNet.
        fc_units: units of the fully connected maxout layer of a FitNet; 0 for none.
        fc_pieces: its pieces.
        use_bias: whether the layers of a FitNet have biases.
        stem_kernel: height and width of the first kernel of a DS-CNN, in pixels.
        stem_stride: step of that first convolution, in pixels.
        first_stride: step of the first convolution of a thin_deep or a resnet8, in pixels; 2 makes
            every map a quarter of its size.
    """

    family: str = "thin_deep"
    preset: str | None = None
    widths: tuple[int, ...] = ()
    depths: tuple[int, ...] = ()
    residual: bool = False
    block: str = "plain"
    activation: str = "relu"
    batch_norm: bool = True
    dropout: float = 0.0
    l2: float = 0.0
    times_fewer: float | None = None
    channel_multiple: int = 1
    path: str | None = None
    taps: dict[str, str] = field(default_factory=dict)
    layers: tuple[MaxoutLayer, ...] = ()
    fc_units: int = 0
    fc_pieces: int = 2
    use_bias: bool = True
    stem_kernel: tuple[int, int] = (10, 4)
    stem_stride: int = 2
    first_stride: int = 1

    def __post_init__(self) -> None:
        check_network(self, known_presets=() if self.preset is None else PRESETS)

    def resolved(self) -> "NetworkConfig":
        """These settings with the preset looked up and the family's own shape filled in."""
        if self.preset is not None:
            return PRESETS[self.preset].resolved()
        widths, depths = FAMILY_SHAPES.get(self.family, ((), ()))
        return replace(self, widths=self.widths or widths, depths=self.depths or depths)


def _fitnet(*stages: tuple[int, ...]) -> NetworkConfig:
    """A FitNet: 3x3 maxout convolutions, pools of 2, 2 and 8 pixels, fully connected 500."""
    layers: list[MaxoutLayer] = []
    for channels, pool in zip(stages, (2, 2, 8), strict=True):
        layers += [MaxoutLayer(width) for width in channels[:-1]]
        layers.append(MaxoutLayer(channels[-1], pool=pool))
    return NetworkConfig(family="fitnet", layers=tuple(layers), fc_units=500)


PRESETS: dict[str, NetworkConfig] = {
    "vgg_32_64_128": NetworkConfig(widths=(32, 64, 128), depths=(2, 2, 2)),
    "thin_8_16_20": NetworkConfig(widths=(8, 16, 20), depths=(4, 5, 4)),
    # MLPerf Tiny's image classification and keyword spotting networks, less the biases that
    # the batch normalization after them makes idle.
    "resnet8": NetworkConfig(family="resnet8"),
    "ds_cnn": NetworkConfig(family="ds_cnn", dropout=0.4),
    "fitnet1": _fitnet((16, 16, 16), (32, 32, 32), (48, 48, 64)),
    "fitnet2": _fitnet((16, 32, 32), (48, 64, 80), (96, 96, 128)),
    "fitnet3": _fitnet((32, 48, 64, 64), (80,) * 4, (128,) * 3),
    "fitnet4": _fitnet((32, 32, 32, 48, 48), (80,) * 6, (128,) * 6),
    "fitnet_cifar10_teacher": NetworkConfig(
        family="fitnet",
        layers=(
            MaxoutLayer(96, kernel=8, padding=4, pool=4, pool_stride=2),
            MaxoutLayer(192, kernel=8, padding=3, pool=4, pool_stride=2),
            MaxoutLayer(192, kernel=5, padding=3, pool=2, pool_stride=2),
        ),
        fc_units=500,
    ),
    "fitnet_mnist_teacher": NetworkConfig(
        family="fitnet",
        layers=(
            MaxoutLayer(48, kernel=8, padding=0, pool=4, pool_stride=2),
            MaxoutLayer(48, kernel=8, padding=3, pool=4, pool_stride=2),
            MaxoutLayer(24, kernel=5, padding=3, pool=2, pool_stride=2),
        ),
    ),
    "fitnet_mnist_student": NetworkConfig(
        family="fitnet",
        layers=(
            MaxoutLayer(16, kernel=5, padding=0),
            MaxoutLayer(16, kernel=3, padding=0, pool=4, pool_stride=2),
            MaxoutLayer(16, kernel=5, padding=3),
            MaxoutLayer(16, kernel=3, padding=0, pool=4, pool_stride=2),
            MaxoutLayer(12, kernel=3, padding=3),
            MaxoutLayer(12, kernel=3, padding=0, pool=2, pool_stride=2),
        ),
    ),
}
