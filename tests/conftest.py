"""Shared by all tests: one Ray, one object store and one demo for the whole session, on loopback."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # FAISS' threads would spin, and wait for one another on busy cores
os.environ.setdefault("RAY_worker_niceness", "0")  # else 15, and beside a busy process Ray's workers hardly move
settings.register_profile("curate", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("curate")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Of several processes (`-n 2`) one has Ray and one the demo; each other file is whole in one of them."""
    from xdist.scheduler import LoadScopeScheduling

    class ByWhatIsDear(LoadScopeScheduling):  # type: ignore[misc]  # xdist is not typed for us
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid.split("::", maxsplit=1)[0])

    return ByWhatIsDear(config, log)


@cache
def _group(file: str) -> str:
    text = (Path(__file__).parent.parent / file).read_text("utf-8")
    return next((dear for dear in ("ray_session", "demo: Demo") if dear in text), file)


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A Ray of two cores that listens on loopback only; starting one takes seconds, so all tests share it."""
    import ray

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=300 * 2**20,
        _node_ip_address="127.0.0.2",
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """An object store on loopback with one empty bucket; gives the bucket's URL."""
    import boto3  # type: ignore[import-untyped]
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket="corpus")
        yield "s3://corpus"
    server.stop()


class Demo(NamedTuple):
    """A directory in which `make demo` was said, so that runs/demo lies there, and what it printed."""

    folder: Path
    said: str


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo by the Makefile's own recipe; it takes minutes, so all tests share it and leave it as it is."""
    from tests.runs import curate  # here, since it loads FAISS, which must find the variable above

    root, folder = Path(__file__).parent.parent, tmp_path_factory.mktemp("demo")
    dry = subprocess.run(["make", "-n", "demo"], cwd=root, capture_output=True, text=True, check=True).stdout
    (recipe,) = (line for line in dry.splitlines() if "curate demo" in line)
    return Demo(folder, curate(shlex.split(recipe), folder))
