"""The notebooks run from top to bottom on the demo's run, say what figures show, and are stored without outputs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import Demo

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SAYS = {
    "audit.ipynb": "<td>drop</td><td>contamination</td><td>77</td>",  # 11 edits of 7 pictures, and nothing is kept
    "cleaning.ipynb": "0 of 32 dropped duplicates have no kept keeper",  # 4 kinds of 8 pictures
    "threshold.ipynb": "<td>240</td><td>20,640</td><td>0</td>",  # 10 images by 24 edits, with 86 others of 88
}
"""What stands among the outputs, from what the demo plants."""


def test_each_notebook_is_known() -> None:
    assert sorted(path.name for path in NOTEBOOKS.glob("*.ipynb")) == sorted(SAYS)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("name", SAYS)
@pytest.mark.filterwarnings("default")  # Jupyter's own warnings are not ours to mend
def test_notebook(name: str, demo: Demo) -> None:
    notebook = nbformat.reads((NOTEBOOKS / name).read_text("utf-8"), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "strip the outputs"
    here = demo.folder / "notebooks"  # where a reader opens it, beside runs/demo
    here.mkdir(exist_ok=True)
    env = {key: value for key, value in os.environ.items() if key != "CURATE_RUN"}
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(here), env=env)
    said = [output for cell in code for output in cell.outputs]
    assert SAYS[name] in "".join(map(_text, said))
    assert not [output.text for output in said if output.get("name") == "stderr"]
    for cell, below in zip(notebook.cells, [*notebook.cells[1:], {"source": ""}], strict=True):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", ())):
            assert below["source"].startswith("What to see"), f"no sentence under the figure of: {cell.source}"


def _text(output: Any) -> str:
    """The text of an output, of a page's table its HTML."""
    data = output.get("data", {})
    return str(data.get("text/html") or data.get("text/plain") or output.get("text", ""))
