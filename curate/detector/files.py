"""The files that `curate` ships, and the seal over them: which graph was made from which weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from curate.errors import SourceError

FOLDER = Path(__file__).parent
WEIGHTS, GRAPH, SEAL, CARD = "detector.safetensors", "detector.xml", "detector.json", "CARD.md"
_SEALED = (WEIGHTS, GRAPH, "detector.bin")


def seal(folder: Path) -> None:
    """Write the digests of the weights and of the graph that was just made from them to `detector.json`."""
    digests = {name: digest(folder / name) for name in _SEALED}
    (folder / SEAL).write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")


def sealed(folder: Path = FOLDER) -> str:
    """Check the files against their seal -> the weights' digest, 64 hex digits; SourceError where one was changed."""
    try:
        digests = json.loads((folder / SEAL).read_text(encoding="utf-8"))
        wrong = [name for name in _SEALED if digests[name] != digest(folder / name)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{folder}: the detector is not whole: {type(error).__name__}: {error}") from None
    if wrong:
        raise SourceError(
            f"{folder}: {', '.join(wrong)} not as {SEAL} says: weights and graph are not of one export. "
            "Install curate anew, or export again with jobs/train_detector.py."
        )
    return str(digests[WEIGHTS])


def digest(path: Path) -> str:
    """Digest of a file: sha256, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
