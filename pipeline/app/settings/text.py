"""A run's settings from text, and as text."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hintlite.errors import HintliteError
from hintlite.models.settings import NetworkConfig
from hintlite.pipeline.app.cli.parser import Parser
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.settings.known import check_settings, in_plain_words
from hintlite.pipeline.data.given_teacher import fitted
from hintlite.pipeline.settings.run import RunConfig


def config_from(settings: Mapping[str, Any]) -> RunConfig:
    """A run's settings from plain data, as from a YAML file.

    Args:
        settings: nested; what is not named has its default.

    Raises:
        WrongUseError: an unknown setting, or values that cannot work.
    """
    parser = _settings_parser()
    check_settings(settings)
    with in_plain_words():
        arguments = parser.parse_object(dict(settings))
    return config_of(parser, arguments)


def read_config(path: Path) -> RunConfig:
    """The settings in a YAML file.

    Raises:
        WrongUseError: it cannot be read, or holds other settings than a run's.
    """
    parser = _settings_parser()
    try:
        with in_plain_words():
            return config_of(parser, parser.parse_path(str(path)))
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUseError(f"{path}: the settings cannot be read: {error}") from error


def check_types(settings: Mapping[str, Any]) -> None:
    """Refuses unknown settings and values of a wrong type; does not look at combinations.

    Args:
        settings: nested, some of them.

    Raises:
        WrongUseError: there is such a setting.
    """
    check_settings(settings)
    with in_plain_words():
        _settings_parser().parse_object(dict(settings))


def read_settings(path: Path) -> dict[str, Any]:
    """What a settings file says.

    Raises:
        WrongUseError: it is no YAML, or holds something else than names with values.
        OSError, UnicodeDecodeError: it cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise WrongUseError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise WrongUseError(f"{path}: expected settings, names with values; got {content!r:.80}")
    return content


def settings_text(config: RunConfig) -> str:
    """The settings as YAML, as `--config` reads them."""
    return str(yaml.safe_dump(_plain(asdict(config)), sort_keys=False))


@cache
def _settings_parser() -> Parser:
    """Knows a run's settings and nothing else; making it takes a while."""
    parser = Parser()
    parser.add_class_arguments(RunConfig)
    return parser


def config_of(parser: Parser, arguments: Any) -> RunConfig:
    """The settings among a parser's arguments.

    Raises:
        WrongUseError: they cannot work.
    """
    for network in ("teacher", "student"):
        _forget_default_shape(arguments[network], asdict(getattr(RunConfig(), network)))
    try:
        instance = parser.instantiate(arguments)
        config = RunConfig(**{key: instance[key] for key in asdict(RunConfig())})
        _check_arms(config)
        return settled(config)
    except (HintliteError, ValueError, TypeError) as error:
        raise WrongUseError(str(error)) from error


def settled(config: RunConfig) -> RunConfig:
    """With absolute paths, so that the settings mean the same from any working folder.

    Samples are what the networks take, so that they stay it where a network's file is gone.
    """
    teacher = replace(config.teacher, path=_absolute(config.teacher.path))
    student = replace(config.student, path=_absolute(config.student.path))
    return replace(
        config,
        data=fitted(replace(config.data, path=_absolute(config.data.path)), teacher, student),
        teacher=teacher,
        student=student,
        cache=replace(config.cache, folder=_absolute(config.cache.folder)),
    )


def _absolute(path: str | None) -> str | None:
    return None if path is None else os.path.abspath(os.path.expanduser(path))


def _forget_default_shape(given: Any, default: dict[str, Any]) -> None:
    """Lets a preset or another family replace the default network, not add to it."""
    if given.path is not None and given.preset is None and given.family == default["family"]:
        given.family = "keras_file"  # only such a network has a file
    if given.preset is None and given.family == default["family"]:
        return
    for field, plain in asdict(NetworkConfig()).items():
        if field not in ("preset", "family") and given[field] == default[field]:
            given[field] = plain


def _check_arms(config: RunConfig) -> None:
    from hintlite.pipeline.methods import check_arm

    for arm in config.arms:
        check_arm(arm, config)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
