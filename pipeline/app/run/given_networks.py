"""The user's own networks, looked at before anything is loaded: files, and layers to be tapped."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from hintlite.models.keras_input import missing_layer, outputs_by_name
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.context import lacking
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.app.run.samples import RunSamples
from hintlite.pipeline.data.given_teacher import check_given
from hintlite.pipeline.runs.layout import teacher_stages
from hintlite.pipeline.settings.run import RunConfig


def check_networks(config: RunConfig, folder: RunFolder) -> None:
    """Refuses files that are missing, unless the run has used them, and layers that are not there.

    Raises:
        WrongUseError: says which setting names it.
    """
    stages = {
        "teacher": teacher_stages(config.teacher_members),
        "student": tuple(f"distill/{arm}" for arm in config.arms),
    }
    for which, made in stages.items():
        network = getattr(config, which)
        if network.path is None:
            continue
        path = Path(network.path)
        if path.is_file():
            _check_layers(path, _layers(config, which, path))
        elif not any(_was_made_of(folder, stage, network.path) for stage in made):
            raise WrongUseError(f"{which}.path {path}: {lacking(folder.path)}")


def check_samples(samples: RunSamples, config: RunConfig, terminal: Terminal) -> None:
    """Reads the samples where they are read at all, so that wrong ones are told of at once.

    Raises:
        DataError: they cannot be used, or not by these networks.
    """
    with terminal.task("reading the data"):
        if samples.kept_fingerprint is None:
            check_given(samples.data, config.data, config.teacher)


def _was_made_of(folder: RunFolder, stage: str, path: str) -> bool:
    record = folder.found(stage)
    return record is not None and record.get("origin", {}).get("file") == path


def _layers(config: RunConfig, which: str, path: Path) -> Iterator[tuple[str, str]]:
    """The setting and the layer of each tap, and of each pair of hints that names no tap."""
    taps = getattr(config, which).taps
    for name, layer in taps.items():
        yield f"{which}.taps.{name}", layer
    known = {*taps, *outputs_by_name(path)}
    for guided, hint in config.hint.pairs.items():
        layer = guided if which == "student" else hint
        if layer not in known:
            yield f"hint.pairs.{guided}, the {which}", layer


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"it has {', '.join(names[:_SHOWN])}{more}" if names else "it has no layers in it"


_SHOWN = 12  # layers in a message


def _check_layers(path: Path, layers: Iterator[tuple[str, str]]) -> None:
    """What the file itself does not tell for certain is told when it is loaded."""
    for setting, layer in layers:
        found = missing_layer(path, layer)
        if found is not None:
            first, known = found
            near = difflib.get_close_matches(first, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else _listed(known)
            raise WrongUseError(f"{setting}: {path} has no layer {first!r}; {hint}")
