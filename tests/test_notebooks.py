"""The notebooks run from top to bottom on a finished run, and are stored without their outputs."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.runs import corpus, made

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
@pytest.mark.filterwarnings("default")  # Jupyter's own warnings are not ours to mend
def test_notebook(path: Path, tmp_path: Path) -> None:
    folder = corpus(tmp_path)
    made(folder, folder / "run")
    notebook = nbformat.reads(path.read_text("utf-8"), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "strip the outputs"
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute(
        cwd=str(path.parent), env={**os.environ, "CURATE_RUN": str(folder / "run")}
    )
    orphans = code[-1].outputs[0]["data"]["text/plain"]
    assert orphans == "0"
