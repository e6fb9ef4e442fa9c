"""What `curate review` does: serve the page until it is stopped, or tell what the verdicts say."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from curate.review.server import ReviewServer
from curate.review.settings import ReviewSettings
from curate.review.summary import Precision, draw, summarise
from curate.review.verdicts import reviewer
from curate.store import Store


def serve(console: Console, settings: ReviewSettings, store: Store, port: int, name: str | None) -> None:
    """Serve the page until Ctrl-C, then tell what was said."""
    with ReviewServer(settings, store, name or reviewer(), port) as server:
        console.print(f"review: {server.url}", markup=False, soft_wrap=True)
        console.print("open this address in a browser; Ctrl-C ends it, and what was judged is kept")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.print()
    tell(console, settings, store)


def tell(console: Console, settings: ReviewSettings, store: Store) -> None:
    """Print the precision of the audit with its interval, and what else was judged."""
    review = summarise(draw(settings, store), store)
    table = Table(title="precision of near matches, from a random sample", title_justify="left")
    for head in ("benchmark", "matches", "drawn", "same", "different", "unsure", "precision", "95 % interval"):
        table.add_column(head, justify="left" if head == "benchmark" else "right")
    several = len(review.benchmarks) != 1
    for found in (*review.benchmarks, *([review.whole] if several else [])):
        table.add_row(found.name, *_cells(found))
    console.print(table)
    drawn, judged = review.whole.drawn, review.whole.judged
    console.print(f"{judged} of {drawn} drawn pairs are judged (sample {review.size}, seed {review.seed})")
    if review.elsewhere:
        console.print(f"{review.elsewhere} other pairs are judged")
    if review.overruled:
        console.print(f"{review.overruled} are judged different: `curate run RUN.toml --replace` keeps their samples")


def _cells(found: Precision) -> list[str]:
    counts = [found.near, found.drawn, found.same, found.different, found.unsure]
    share = "" if found.precision is None else f"{found.precision:.1%}"
    between = f"{found.low:.1%} to {found.high:.1%}" if found.judged else ""
    return [*(f"{count:,}" for count in counts), share, between]
