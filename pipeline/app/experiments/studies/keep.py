"""What stays of a study's finished run."""

from typing import Literal, get_args

Keep = Literal["models", "all", "nothing"]
KEEP: tuple[Keep, ...] = get_args(Keep)
