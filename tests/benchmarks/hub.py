"""A hub on loopback: serves a folder ORG/NAME/... as the Hugging Face hub serves its datasets."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import AbstractContextManager
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.web import serving

COMMIT = "a" * 40


class _Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, root: Path, *args: Any) -> None:
        self._root = root
        super().__init__(*args)

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        if told := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/revision/[^/]+)?", path):
            self._answer(
                {"id": told[1], "sha": COMMIT, "siblings": []} if (self._root / told[1]).is_dir() else None,
                "RepoNotFound",
            )
        elif told := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/tree/[^/]+/?(.*)", path):
            folder = self._root / told[1] / told[2]
            listed = [self._entry(file, told[1]) for file in sorted(folder.iterdir())] if folder.is_dir() else None
            self._answer(listed, "EntryNotFound")
        elif told := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self._file(self._root / told[1] / told[2])
        else:
            self._answer(None, "EntryNotFound")

    def _entry(self, file: Path, repo: str) -> dict[str, Any]:
        name = str(file.relative_to(self._root / repo))
        if file.is_dir():
            return {"type": "directory", "oid": "b" * 40, "size": 0, "path": name}
        data = file.read_bytes()
        entry = {"type": "file", "oid": hashlib.sha1(data).hexdigest(), "size": len(data), "path": name}
        if file.suffix == ".tar":
            entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return entry

    def _file(self, file: Path) -> None:
        if not file.is_file():
            self._answer(None, "EntryNotFound")
            return
        data = file.read_bytes()
        start, stop = 0, len(data)
        if told := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, stop = int(told[1]), min(len(data), int(told[2] or len(data)) + 1)
        self.send_response(206 if told else 200)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[start:stop])

    def _answer(self, value: Any, missing: str) -> None:
        body = json.dumps(value if value is not None else {"error": missing}).encode()
        self.send_response(404 if value is None else 200)
        if value is None:
            self.send_header("X-Error-Code", missing)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def hub(root: Path) -> AbstractContextManager[str]:
    """Serve until the block ends; gives the endpoint."""
    return serving(partial(_Hub, root))
