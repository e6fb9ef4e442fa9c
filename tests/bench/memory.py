"""Peak memory of a whole run (downloads aside) over few shards and over ten times as many of the same size."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.runs import encoded, picture, tar

SAMPLES, FEW, MANY = 200, 5, 50


def main() -> None:
    """Print peak resident memory of the process that makes all parts, and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for shard in range(MANY):
            seeds = range(shard * SAMPLES, (shard + 1) * SAMPLES)
            tar(root / f"{shard:05d}.tar", {f"{i:07d}": encoded(picture(i, 320, 240)) for i in seeds})
        few, many = (_peak(root, count) for count in (FEW, MANY))
    print(f"peak memory, {FEW:3d} shards of {SAMPLES}   {few:6.0f} MiB")
    print(f"peak memory, {MANY:3d} shards of {SAMPLES}   {many:6.0f} MiB")
    print(f"ratio                        {many / few:7.2f}   (to hold: 1.20)")


def _peak(root: Path, shards: int) -> float:
    run_file = root / f"{shards}.toml"
    run_file.write_text(
        f'out = "{root}/run-{shards}"\n[corpus]\npath = "{root}/{{00000..{shards - 1:05d}}}.tar"\n'
        f'[benchmarks.few]\npath = "{root}/00000.tar"\n[clean]\nsamples_per_shard = 500\n'
    )
    command = [sys.executable, "-m", "curate", "run", str(run_file)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"exit status {status}"
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
