"""What `curate benchmarks` prints: the list of those known by name, or a look at every image of some."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from curate.benchmarks.places import FOLDER, BenchmarkSettings, on_this_machine, placed
from curate.benchmarks.presets import groups, known, members
from curate.benchmarks.whole import look
from curate.config import parse
from curate.errors import ConfigError

HOW = (
    "[benchmarks.NAME] alone in a run file takes the copy on this machine, else reads the hub's. To fetch one: "
    "hf download --repo-type dataset HUB --include 'test/*'; copies of your own: "
    f"{FOLDER}=DIR with DIR/NAME, or `path`. Any other name with a `path` works too."
)


def listed() -> Group:
    """The benchmarks known by name, and which of them are on this machine; the groups; where each comes from."""
    short, long = Table(title="Benchmarks known by name", title_justify="left"), [Text()]
    for column in ("name", "split", "images", "classes", "here"):
        short.add_column(column, justify="right" if column == "images" else "left", no_wrap=True)
    for name, b in known().items():
        classes = f"{b.classes:,}" if b.classes else "\n".join(f"{task} {n}" for task, n in b.tasks.items())
        short.add_row(name, b.split, f"{b.images:,}", classes, "yes" if on_this_machine(name) else "")
        pictures = f"{b.pixels} ({b.remark})" if b.remark else b.pixels
        long.append(Text.assemble((name, "bold"), f": {pictures}. Licence: {b.licence}. Hub: {b.hub}"))
    tasks = {task for b in known().values() for task in b.tasks}
    for group, names in groups().items():
        if group not in tasks:
            long.append(Text.assemble((group, "bold"), f": all of {', '.join(names)}"))
    return Group(short, *long, Padding(Text(HOW), (1, 0)))


def looked(names: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Look at every image of these benchmarks (names, groups, NAME=PATH): a line for each, and whether it is whole."""
    asked: dict[str, dict[str, str]] = {}
    for given in names:
        name, equals, path = given.partition("=")
        if not equals and not members(name):
            raise ConfigError("curate benchmarks", [f"no `{name}` is known; see the list, or say {name}=PATH"])
        asked[name] = {"path": path} if equals else {}
    for name, where in placed(asked).items():
        settings = parse(BenchmarkSettings, where, f"benchmark `{name}`")
        found = look(name, settings)
        for fault in found.faults:
            yield fault, False
        if not found.faults:
            yield f"{name}: {found.images:,} images, whole: {settings.path}", True
