"""Which student the run deploys."""

from __future__ import annotations

from hintlite.pipeline.runs.reading import RunFiles

MANIFEST = "device/manifest.json"


def chosen_arm(run: RunFiles) -> str | None:
    """The bundled arm; without a bundle the one that would be bundled; None if that is open.

    That is the arm that the settings name, or the best INT8 accuracy on validation data, the first
    of equals, which is known when all arms are verified.
    """
    manifest = run.json("bundle", MANIFEST)
    if manifest is not None:
        return str(manifest["provenance"]["arm"])
    if run.settings.get("deploy", "best") != "best":
        return str(run.settings["deploy"])
    reports = {arm: run.json(f"quantize/{arm}", "verify.json") for arm in run.arms}
    if not all(report and report.get("figures") for report in reports.values()):
        return None
    return max(run.arms, key=lambda arm: float(reports[arm]["figures"]["int8_accuracy"]))
