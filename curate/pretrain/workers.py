"""Training on several Ray Train workers, which split every batch; the one file beside `executors` that imports ray."""

from __future__ import annotations

import os
import queue
import threading
import warnings
from collections.abc import Callable
from typing import Any

from curate.errors import CurateError
from curate.executors import Ray
from curate.progress import Watch
from curate.runfile import RunFile
from curate.store import Store

Loop = Callable[[dict[str, Any]], None]
"""What each worker runs, on the run file and whatever else it was given."""

_RETRIES = 3
"""A worker that dies (memory, a lost node) is replaced this often; the training goes on from its last checkpoint."""


def run(settings: RunFile, store: Store, watch: Watch, on: str) -> None:
    """Train with `pretrain.workers` processes; what they learn is left in the state file. Raises CurateError."""
    Ray(os.environ.get("RAY_ADDRESS") if on == "ray" else on)
    with Told(watch) as told:
        launch(loop, {"run": settings.model_dump(mode="json"), "told": told.queue}, settings.pretrain.workers, store)


def launch(each: Loop, given: dict[str, Any], workers: int, store: Store) -> None:
    """Run `each(given)` in that many Ray Train workers, each with a GPU where the cluster has enough of them."""
    import ray
    from ray import train
    from ray.train.torch import TorchConfig, TorchTrainer

    gpus = ray.cluster_resources().get("GPU", 0) >= workers
    trainer = TorchTrainer(
        each,
        train_loop_config=given,
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
        scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=gpus),
        run_config=train.RunConfig(
            name="ray",
            storage_path=store.path("pretrain") if store.is_local else store.url("pretrain"),
            failure_config=train.FailureConfig(max_failures=_RETRIES),
            worker_runtime_env={"env_vars": _environment(ray.util.get_node_ip_address())},
        ),
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of Ray Train's own use of Ray Data
            trainer.fit()
    except train.TrainingFailedError as error:
        raise CurateError(f"pretrain: {_cause(error)}") from None


def loop(given: dict[str, Any]) -> None:
    """What one worker does."""
    from ray import train as ray_train

    from curate.pretrain.index import World
    from curate.pretrain.job import device_of, ready
    from curate.pretrain.train import Place, train
    from curate.runfile import from_json

    context = ray_train.get_context()
    world = World(context.get_world_rank(), context.get_world_size())
    settings = from_json(given["run"], "pretrain")
    store = Store(settings.out)
    opened = ready(settings, store, world)
    place = Place(device_of(settings.pretrain, World(context.get_local_rank())), world, store)
    tell: Watch = given["told"].put if world.rank == 0 else _nothing
    train(opened.state, opened.goal, opened.batches, settings.pretrain, place, tell)


def _nothing(progress: Any) -> None:
    del progress


def _environment(ip: str) -> dict[str, str]:
    """Of the workers: one core each, as Ray counts; a cluster that listens on loopback only trains there too."""
    loopback = {"GLOO_SOCKET_IFNAME": "lo"} if ip.startswith("127.") else {}
    return {"OMP_NUM_THREADS": "1", **loopback}


def _cause(error: BaseException) -> str:
    """The first worker's own message."""
    failures = getattr(error, "worker_failures", {})
    first: BaseException = next(iter(failures.values()), error)
    return str(getattr(first, "cause", first)).strip().splitlines()[-1]


class Told:
    """Carries the workers' progress to whoever watches here."""

    def __init__(self, watch: Watch) -> None:
        from ray.util.queue import Queue

        self.queue, self._watch, self._over = Queue(actor_options={"num_cpus": 0}), watch, threading.Event()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)

    def __enter__(self) -> Told:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self.queue.shutdown()

    def _pass_on(self) -> None:
        from ray.util.queue import Empty

        while True:
            try:
                self._watch(self.queue.get(timeout=0.5))
            except (Empty, queue.Empty):
                if self._over.is_set():
                    return
