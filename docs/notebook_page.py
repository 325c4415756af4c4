"""A hook of mkdocs: the page of tutorial.ipynb, with its stored outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NOTEBOOK, PAGE = "tutorial.ipynb", "tutorial.md"


def on_files(files: Any, config: Any) -> Any:
    """Adds the page to those of the site."""
    from mkdocs.structure.files import File

    notebook = json.loads((Path(config["docs_dir"]) / NOTEBOOK).read_text())
    files.append(File.generated(config, PAGE, content=as_markdown(notebook)))
    return files


def as_markdown(notebook: dict[str, Any]) -> str:
    """Text as it is, code and outputs in fences.

    Args:
        notebook: as JSON.
    """
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [f"```text\n{text.rstrip()}\n```" for text in map(_text, cell["outputs"]) if text]
    parts.append(f"[The notebook]({NOTEBOOK}) to run it yourself.")
    return "\n\n".join(parts) + "\n"


def _text(output: dict[str, Any]) -> str:
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))
