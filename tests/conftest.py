"""Shared by all tests: one Ray for the whole session, on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


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
