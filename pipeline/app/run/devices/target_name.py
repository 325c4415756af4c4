"""The names that `--target` takes: built-in targets, and devices over SSH."""

from __future__ import annotations

import difflib
from argparse import ArgumentTypeError

from hintlite.benchmarks.targets.names import TARGETS

LIKENESS = 0.8  # difflib's ratio from which a name with a dot is taken for a slip of the pen


def target_name(text: str) -> str:
    """The name as it was given, if it means something.

    A device is named by what OpenSSH takes: with "@", "." or ":" in it; or by "ssh:" before any
    name, an alias of ~/.ssh/config for example.

    Raises:
        ArgumentTypeError: it is neither a built-in target nor a device.
    """
    from hintlite.benchmarks.targets.base import BenchmarkError
    from hintlite.benchmarks.targets.ssh.device import PREFIX, check_destination, destination_of

    if text in TARGETS:
        return text
    destination = destination_of(text)
    plain = destination is not None and not text.startswith(PREFIX) and "@" not in text
    near = difflib.get_close_matches(text, TARGETS, n=1, cutoff=LIKENESS if plain else 0.6)
    if destination is None or (plain and near):
        hint = f"\ndid you mean: {near[0]}" if near else ""
        raise ArgumentTypeError(
            f"--target must be one of {', '.join(TARGETS)}, or a device: user@host, or "
            f"{PREFIX}NAME for any other name that the ssh command takes; got {text!r}{hint}"
        )
    try:
        check_destination(destination)
    except BenchmarkError as error:
        raise ArgumentTypeError(str(error)) from error
    return text
