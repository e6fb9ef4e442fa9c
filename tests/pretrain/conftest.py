"""The small run that most of these tests train on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pretrain.material import planted


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus, a benchmark, and room for a run."""
    return planted(tmp_path_factory.mktemp("pretrain") / "of-colours")
