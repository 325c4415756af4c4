"""What `hintlite convert` prints of its outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def show(out: Path, record: Mapping[str, Any], as_json: bool) -> None:
    """Prints what a record says.

    Args:
        out: the folder of the conversion.
        record: of it.
        as_json: print all of it.
    """
    if as_json:
        print(json.dumps(record, indent=1))
        return
    precision = record["form"]["precision"]
    for line in _lines(record["verdict"], precision):
        print(line)
    for place, fed in enumerate(record["feeding"]):
        print(_device(fed, record["folded"][place]))
    if record["tensorflow_lite_micro"]:
        print(
            "TensorFlow Lite Micro runs it since "
            f"{record['tensorflow_lite_micro']} (--dense per_tensor: any)"
        )
    print(f"{precision}, {record['bytes'][precision]:,} bytes: {out / 'model'}/", end="")
    print(record["files"][precision])
    if (out / "bundle" / "device").is_dir():
        print(f"bundle: {out / 'bundle' / 'device'}")
    print(f"record: {out / 'model' / 'convert.json'}")


def _lines(verdict: Mapping[str, Any], precision: str) -> list[str]:
    on = f"on {verdict['samples']} samples that set no range"
    lines = []
    if verdict["accuracy"] is not None:
        accuracy = verdict["accuracy"]
        lines.append(
            f"accuracy {on}: model {accuracy['model']:.2%}, float file {accuracy['float']:.2%}, "
            f"{precision} {accuracy['file']:.2%}"
        )
    if verdict["mean_absolute_error"] is not None:
        error = verdict["mean_absolute_error"]
        lines.append(
            f"mean absolute error {on}: model {error['model']:.5g}, float file "
            f"{error['float']:.5g}, {precision} {error['file']:.5g}"
        )
    if verdict["agreement"] is not None:
        lines.append(f"model and file choose alike on {verdict['agreement']:.2%} of them")
    for output in verdict["outputs"]:
        steps = output["max_error_steps"]
        apart = f"{output['max_error']:.4g}" + (f" ({steps:.1f} steps)" if steps else "")
        lines.append(
            f"output {output['name']!r}: at most {apart} apart, root mean square "
            f"{output['error']:.2%} of its standard deviation"
        )
    return lines


def _device(fed: Mapping[str, Any], folded: list[str]) -> str:
    """What the device does to a raw value."""
    told = [sorted(set(fed[name])) for name in ("mean", "std")]
    words = [
        f"{values[0]:g}" if len(values) == 1 else f"{name} of the channel"
        for name, values in zip(("mean", "deviation"), told, strict=True)
    ]
    raw = "bytes" if fed["raw_dtype"] == "uint8" else "values"
    line = f"the device feeds raw {raw}; its input stands for (raw - {words[0]}) / {words[1]}"
    if folded:
        line += f", {len(folded)} operators of the model among it"
    if fed["moved_by"]:
        line += f"; the mean was moved by {fed['moved_by']:g} of a raw step to a whole byte"
    return line
