"""The command line: thin, so that `curate --help` loads no torch, faiss or ray."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from curate.calibrate import COPIES, FALSE_PAIRS
from curate.errors import CurateError

app = typer.Typer(
    help="Take the test images of benchmarks out of web image-text corpora, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)
errors = Console(highlight=False, stderr=True, style="red")

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's directory, or its run file.", show_default=False)
]
On = Annotated[str, typer.Option("--on", help="Where parts are made: local, ray, or the address of a Ray cluster.")]


@app.command()
def run(
    run_file: Annotated[str, typer.Argument(metavar="RUN.toml", help="The run file.", show_default=False)],
    stage: Annotated[str | None, typer.Option(help="Only this stage; what it needs must be there.")] = None,
    on: On = "local",
    replace: Annotated[
        bool, typer.Option("--replace", help="Make stale parts again instead of refusing them.")
    ] = False,
) -> None:
    """Bring a run up to date: download, sign, search, decide, emit clean shards, report."""
    from curate import runfile
    from curate.display import show_run

    show_run(console, runfile.load(run_file), on=on, stage=stage, replace=replace)


@app.command()
def audit(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    corpus: Annotated[
        str, typer.Argument(metavar="CORPUS|RUN", help="Shards or a folder, or a run's directory.", show_default=False)
    ],
    benchmark: Annotated[list[str], typer.Option(help="NAME=PATH, or a known NAME; more than once.")] = [],  # noqa: B006
    out: Annotated[str | None, typer.Option(help="The audit's directory; else audits/NAME, after the corpus.")] = None,
    within: Annotated[
        bool, typer.Option("--within", help="The corpus is the benchmark's own train split: a match is a leak.")
    ] = False,
    like: Annotated[
        str | None, typer.Option(metavar="RUN.toml", help="A run file: sign, match and report as it says.")
    ] = None,
    calibration: Annotated[str | None, typer.Option(help="Folder or file that `curate calibrate` wrote.")] = None,
    on: On = "local",
    replace: Annotated[bool, typer.Option("--replace", help="Sign again what changed of the corpus.")] = False,
) -> None:
    """Say what of some benchmarks is in a corpus; of a finished run, what of further ones, without its corpus.

    \b
    curate audit 'shards/*.tar' --benchmark cifar10 --benchmark mine=DIR --out audits/mine
    curate audit audits/mine --benchmark more=DIR
    curate audit TRAIN --benchmark test=TEST --within
    """  # noqa: D301 - the sign that keeps lines as they are
    from curate.audit import Asked
    from curate.audit import audit as look

    look(console, Asked(corpus, benchmark, out, within, like, calibration, on, replace))


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - one parameter an option
    run: RunArgument,
    samples: Annotated[int | None, typer.Option(min=1, help="Input samples; else counted or sampled.")] = None,
    benchmark_images: Annotated[int | None, typer.Option(min=0, help="Benchmark images; else counted.")] = None,
    rates: Annotated[str | None, typer.Option(help="Rates of your machine; else those that come with curate.")] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="Cores, of all machines; else this one's.")] = None,
    memory: Annotated[float | None, typer.Option(min=0.1, help="Memory of all machines, GB; else this one's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    measure: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the rates of RUN, a finished run, to FILE instead.")
    ] = None,
) -> None:
    """Say before a run what it will read, write, hold and cost, stage by stage; of a finished one, what it used too."""
    from curate.bill import command

    if measure:
        command.measure(console, run, rates, measure)
    else:
        command.plan(console, command.Asked(run, samples, benchmark_images, rates, cores, memory), as_json)


@app.command()
def status(run: RunArgument) -> None:
    """Show what is done of a run: parts, rows and content digest of each dataset, and what became of the samples."""
    from curate.display import status_tables
    from curate.runner import open_run

    for table in status_tables(*open_run(run)):
        console.print(table)


@app.command()
def verify(run: RunArgument) -> None:
    """Digest every part and tar again, and check the promises between datasets; exit code 1 when anything is wrong."""
    from curate.runner import open_run
    from curate.verify import verify_run

    faults = verify_run(*open_run(run), lambda done: console.print(done, markup=False))
    for fault in faults:
        errors.print(f"✗ {fault}", markup=False, soft_wrap=True)
    if faults:
        raise typer.Exit(1)
    console.print("every part holds what was written, and the promises hold")


@app.command()
def explain(
    run: RunArgument,
    key: Annotated[str, typer.Argument(help="A sample's key, or SHARD:KEY.", show_default=False)],
) -> None:
    """Say what became of a sample, by which rule, and on what evidence."""
    from curate.explain import explain as find
    from curate.runner import open_run

    for block in find(*open_run(run), key):
        console.print(block)


@app.command()
def calibrate(
    benchmark: Annotated[list[str], typer.Option(help="NAME=PATH, or a known NAME; more than once.")],
    corpus: Annotated[str | None, typer.Option(help="Shards that strangers are taken from; else none are.")] = None,
    false_pairs: Annotated[
        float, typer.Option(help="Share of unrelated pairs that may be taken for copies.")
    ] = FALSE_PAIRS,
    copies: Annotated[int, typer.Option(help="Images of which copies are made, by each of the 24 edits.")] = COPIES,
    out: Annotated[str, typer.Option(help="Where NAME.json and NAME.png are written.")] = "calibration",
    like: Annotated[
        str | None, typer.Option(metavar="RUN.toml", help="A run file whose signatures and contamination count.")
    ] = None,
) -> None:
    """Choose a benchmark's thresholds on edited copies of its images and on strangers; `contamination` reads them."""
    from curate import runfile
    from curate.calibrate.command import Asked
    from curate.calibrate.command import calibrate as measure
    from curate.stages.contamination import ContaminationSettings
    from curate.stages.signatures import SignaturesSettings

    given = runfile.read(like) if like else None
    signing = given.signatures if given else SignaturesSettings()
    matching = given.contamination if given else ContaminationSettings()
    measure(console, Asked(benchmark, corpus, false_pairs, copies, out, signing, matching))


@app.command()
def benchmarks(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks or NAME=PATH to look through.")] = None,
) -> None:
    """List the benchmarks known by name and whether they are on this machine; of those NAMED, look at every image."""
    from curate.benchmarks.listing import listed, looked

    if not names:
        console.print(listed())
        return
    whole = True
    for line, good in looked(names):
        (console if good else errors).print(line, markup=False, soft_wrap=True)
        whole = whole and good
    if not whole:
        raise typer.Exit(1)


@app.command()
def overlap(
    run: RunArgument,
    predictions: Annotated[str, typer.Option(help="Parquet, a row an image; its columns see above.")],
    benchmark: Annotated[str | None, typer.Option(help="Only this one; needed where the file names none.")] = None,
    out: Annotated[str | None, typer.Option(help="Where overlap.csv, .json, .tex, .png go; else RUN/overlap.")] = None,
) -> None:
    """Say whether contamination changes scores: accuracy on all images, on those in the corpus, on the others.

    PREDICTIONS has a column `key`, and `correct`, or `label` and `prediction`, or `label` and `scores`;
    a column `benchmark` where the run has several; a column `shard` where a key is in two.
    """
    from curate.overlap.command import overlap as compare
    from curate.runner import open_run

    compare(console, open_run(run), predictions, benchmark, out)


@app.command()
def report(run: RunArgument) -> None:
    """Write the report of a run again: report/index.html and report/summary.json."""
    from curate.report import write_report
    from curate.runner import open_run

    console.print(f"report: {write_report(*open_run(run))}", markup=False)


@app.command()
def review(
    run: RunArgument,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the loopback; 0: one that is free.")] = 0,
    reviewer: Annotated[str | None, typer.Option(help="Who judges; else your user name.", show_default=False)] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Only tell the precision that the verdicts say.")] = False,
) -> None:
    """Judge the matches in a browser, on this machine alone; a match judged different keeps its sample next time.

    There: s same, d different, u unsure, z takes back, arrows turn. Ctrl-C here ends it; verdicts are kept at once.
    """
    from curate.review.command import serve, tell
    from curate.runner import open_run

    settings, store = open_run(run)
    if summary:
        tell(console, settings.review, store)
    else:
        serve(console, settings.review, store, port, reviewer)


@app.command()
def pretrain(
    run: RunArgument,
    on: On = "local",
    compare: Annotated[
        bool, typer.Option("--compare", help="Instead, compare trainings on planted, on cleaned and on thinned data.")
    ] = False,
) -> None:
    """Train a small ViT on a run's clean shards, going on where it was, and probe it against chance and raw pixels.

    The run file's table `pretrain` says how, see jobs/pretrain.toml; without one, a minute on 2 cores, on captions.
    RUN/pretrain then has checkpoint, curves, pictures and probes, and the report shows them. `--compare` plants edited
    copies of benchmark images among the clean samples: do they lift accuracy, and does cleaning end that?
    """
    from curate.display import show_compare, show_pretrain
    from curate.pretrain import open_trained

    if compare:
        show_compare(console, *open_trained(run))
    else:
        show_pretrain(console, *open_trained(run), on=on)


@app.command()
def probe(
    checkpoint: Annotated[
        str, typer.Argument(help="A checkpoint.safetensors of `curate pretrain`.", show_default=False)
    ],
    benchmark: Annotated[list[str], typer.Option(help="NAME=PATH, a folder of classes or shards; may be repeated.")],
    shots: Annotated[list[int], typer.Option(help="Images a class to fit on; may be repeated.")] = [1, 5, 10, 25],  # noqa: B006
    seeds: Annotated[int, typer.Option(min=2, help="Draws of each probe.")] = 3,
    finetune_steps: Annotated[int, typer.Option(min=0, help="Steps of fine-tuning on 800 images; 0 for none.")] = 0,
    image_size: Annotated[int | None, typer.Option(help="Another side than it was trained on, px.")] = None,
) -> None:
    """Say what a trained net's features are good for on labelled images, against chance, raw pixels and no training.

    Few-shot ridge, nearest neighbours, linear; zero-shot where it was trained on captions; fine-tuned if asked.
    Accuracy is of images that were not fitted on, with its 95 % interval over the draws.
    """
    from curate.pretrain.probing import Asked
    from curate.pretrain.probing import probe as measure

    console.print(measure(Asked(checkpoint, tuple(benchmark), tuple(shots), seeds, finetune_steps, image_size)))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the demo's web and its run are written.")] = Path("runs/demo"),
    on: On = "local",
) -> None:
    """Stand up a small web on loopback, with planted copies and faults, and send it through the whole pipeline."""
    from curate.demo.main import demo as play

    play(console, out, on)


def main() -> None:
    """Run the command line; errors that we foresaw print as one message, without a traceback."""
    try:
        app()
    except CurateError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        errors.print("stopped; run the same command again to go on")
        raise SystemExit(130) from None
