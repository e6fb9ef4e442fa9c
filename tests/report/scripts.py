"""The pairs of a report, read back from the scripts beside its page."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

from PIL import Image

from curate.store import Store


def read(store: Store, name: str) -> Any:
    """What `pairs/NAME.js` holds; it must be a call with plain JSON, and nothing else."""
    script = store.fs.cat_file(store.path("report", "pairs", f"{name}.js")).decode("ascii")
    call = re.fullmatch(r'take\("(\w+)", (.*)\);\n', script, re.DOTALL)
    assert call, script[:200]
    assert call[1] == name
    return json.loads(call[2])


def pairs(store: Store) -> list[dict[str, Any]]:
    """Every pair: its columns in the index, and its details."""
    index = read(store, "index")
    columns = index["pairs"]
    count = len(columns["name"])
    assert {len(column) for column in columns.values()} == {count}
    told = [pair for chunk in range(-(-count // index["chunk"])) for pair in read(store, str(chunk))]
    assert [pair["name"] for pair in told] == columns["name"]
    return [
        {
            **{name: column[n] for name, column in columns.items()},
            "gallery": index["galleries"][columns["gallery"][n]]["name"],
            "kind": index["kinds"][columns["kind"][n]],
            **told[n],
        }
        for n in range(count)
    ]


def pictures(found: list[dict[str, Any]]) -> list[Image.Image]:
    """The thumbnails of some pairs, two each."""
    jpegs = [picture["jpeg"] for pair in found for picture in pair["pictures"]]
    return [Image.open(io.BytesIO(base64.b64decode(jpeg))) for jpeg in jpegs]
