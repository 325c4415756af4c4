"""The samples of a run: read from their source, or as far as the run's own folder keeps them."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.keyed import keyed
from hintlite.pipeline.app.run.folder import RunError, RunFolder
from hintlite.pipeline.settings.data import FROM_PYTHON, DataConfig

if TYPE_CHECKING:
    from hintlite.pipeline.data.disk import Disk
    from hintlite.pipeline.data.sources.source import Source
    from hintlite.pipeline.data.training_data import KeptData, TrainingData

DATA, SAMPLES = "data", "samples"  # the stages that describe them, and that keep them
FACTS, SPLITS, DIGESTS = "data.json", "splits.npz", "digests.npy"
# Of the settings of the data, what never changes which values are trained on, or is no matter of
# the samples: where they lie (their content is hashed), and how a training changes them.
ELSEWHERE = ("path", "augmentation")


class RunSamples:
    """What one process knows of the samples of a run; each part is read once, when it is needed.

    Args:
        config: the settings of the data.
        folder: the run's.
        source: the caller's own samples instead of those that the settings name.
        rereads: whether samples of the user's own that are still there are read again, to see
            whether they have changed; otherwise what the run keeps of them counts.
        loaded: the samples, where the caller has read them already.
        disk: where samples are kept that are too many for memory.
    """

    def __init__(
        self,
        config: DataConfig,
        folder: RunFolder,
        source: Source | None = None,
        rereads: bool = True,
        loaded: TrainingData | None = None,
        disk: Disk | None = None,
    ) -> None:
        self.config, self.folder = config, folder
        self.source, self.rereads, self.loaded, self.disk = source, rereads, loaded, disk

    @cached_property
    def data(self) -> TrainingData:
        """All but the test samples.

        Raises:
            RunError: they are gone, or have changed since the run was made.
            DataError: they cannot be used.
        """
        from hintlite.pipeline.data.load import load_training
        from hintlite.pipeline.data.training_data import TrainingData

        if self.loaded is not None:
            return self.loaded
        if self.source is None and self.is_gone and self.was_there:
            if self.kept_fingerprint is not None and isinstance(self.kept, TrainingData):
                return self.kept
            raise RunError(self.gone("a training, --method qat or a changed setting of the data"))
        data = load_training(self.config, self.source, self.disk)
        if self.kept_fingerprint not in (None, data.fingerprint):
            raise RunError(
                f"{self.folder.path}: the samples have changed since it was made: `hintlite run "
                f"{self.folder.path}` makes everything anew"
            )
        return data

    @cached_property
    def kept(self) -> KeptData:
        """What the run's folder keeps of them; its data stage must be complete."""
        from hintlite.pipeline.data.kept import read_kept
        from hintlite.pipeline.data.splits import Splits

        place = self.folder.place(DATA)
        facts = json.loads((place / FACTS).read_text())
        return read_kept(self.folder.place(SAMPLES), facts, Splits.load(place / SPLITS))

    @property
    def fingerprint(self) -> str:
        """Hash of images, labels and class names."""
        return self.kept_fingerprint or self.data.fingerprint

    @cached_property
    def kept_fingerprint(self) -> str | None:
        """As the run's folder has it; None where that does not count, or not any more."""
        if self.loaded is not None or (self.rereads and self.can_change):
            return None
        record = self.folder.found(DATA)
        if record is None or self.folder.found(SAMPLES) is None:
            return None
        settings, origin = record["settings"], record.get("origin", {})
        same_place = not self.is_gone or origin.get("path") == self.config.path
        if settings["data"] != self.settings() or not same_place:
            return None
        return str(settings["fingerprint"])

    @property
    def was_there(self) -> bool:
        """Whether the samples are those of a run, or can come from Python alone."""
        return self.config.source == FROM_PYTHON or self.folder.found(DATA) is not None

    @property
    def can_change(self) -> bool:
        """Whether there are samples of the user's own to be read; a published data set stays."""
        there = self.config.path is not None and Path(self.config.path).exists()
        return self.source is not None or there

    def settings(self) -> dict[str, Any]:
        """The settings that decide which samples there are, and how they are divided."""
        everything = keyed(self.config)
        return {name: value for name, value in everything.items() if name not in ELSEWHERE}

    @property
    def is_gone(self) -> bool:
        """Whether the samples themselves are out of reach."""
        if self.config.source == FROM_PYTHON:
            return self.source is None
        return self.config.path is not None and not Path(self.config.path).exists()

    def gone(self, what: str) -> str:
        """Why something that needs the samples themselves cannot be done, in a sentence.

        Args:
            what: as "a training".
        """
        if self.config.source == FROM_PYTHON:
            return (
                f"{what} needs the samples, which came from Python and are not kept in "
                f"{self.folder.path}: call the same function with the same samples and this folder"
            )
        return (
            f"{what} needs the samples, but {self.config.path} is not there: put it back, or say "
            "with --data.path where it is now"
        )
