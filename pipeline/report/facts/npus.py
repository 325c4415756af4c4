"""What Vela estimated of the bundled student on an Ethos-U: never measured, never simulated."""

from __future__ import annotations

from typing import Any

from hintlite.pipeline.report.facts.choice import MANIFEST
from hintlite.pipeline.runs.reading import RunFiles

RESULT = "result.json"
ESTIMATED = "estimated"
# As benchmarks/targets/ethos_u.py names them.
FIGURES = (
    *("accelerator", "system_config", "memory_mode", "vela_config", "vela_version"),
    *("core_clock_hz", "inference_time_us", "cycles", "macs", "compiled_bytes"),
    *("sram_bytes", "dram_bytes", "on_chip_flash_bytes", "off_chip_flash_bytes"),
    *("layers", "cpu_operators"),
)


def npus(run: RunFiles) -> list[dict[str, Any]]:
    """One entry an NPU that Vela compiled for.

    Returns:
        model (the arm, or None), target, kind, verdict, model_sha256, and what FIGURES names.
    """
    results = [run.json(name, RESULT) for name in run.targets]
    estimated = [
        each
        for each in results
        if each is not None and each["kind"] == ESTIMATED and "accelerator" in each["raw"]
    ]
    manifest = run.json("bundle", MANIFEST) if estimated else None
    arm = None if manifest is None else str(manifest["provenance"]["arm"])
    return [
        {
            "model": arm,
            **{name: each[name] for name in ("target", "kind", "verdict", "model_sha256")},
            **{name: each["raw"].get(name) for name in FIGURES},
        }
        for each in estimated
    ]
