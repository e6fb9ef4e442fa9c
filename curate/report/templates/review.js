// The review: what people say of the pairs. `curate review RUN` serves this page and keeps what is said.
const isServed = "review" in document.body.dataset;
const undone = [];    // [pair's name, what was said of it before], the last said at the end

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function showReview() {
  const { whole, benchmarks, seed, elsewhere, overruled } = index.review;
  const judged = whole.same + whole.different + whole.unsure;
  byId("review").hidden = !whole.near;
  byId("begin").hidden = !isServed;
  const row = (b) => make("tr", {}, make("th", { scope: "row" }, b.name),
    ...[b.near, b.drawn, b.same, b.different, b.unsure, b.precision === null ? "" : percent(b.precision),
      b.same + b.different + b.unsure ? `${percent(b.low)} to ${percent(b.high)}` : ""].map((said) => make("td", { class: "n" }, said.toLocaleString("en"))));
  byId("review-rows").replaceChildren(...(benchmarks.length > 1 ? [...benchmarks, whole] : benchmarks).map(row));
  byId("review-table").hidden = !judged;
  const number = (count) => count.toLocaleString("en");
  byId("review-said").textContent = [
    `${number(whole.drawn)} of the ${number(whole.near)} near matches were drawn at random (seed ${seed}); ${judged ? number(judged) : "none"} of these ${judged === 1 ? "is" : "are"} judged.`,
    judged ? "Precision is same / (same + different), its interval exact, an unsure pair taken for different below and for same above." : "",
    judged && judged < whole.drawn ? "It holds once all drawn pairs are judged." : "",
    elsewhere ? `Other pairs judged: ${number(elsewhere)}.` : "",
    overruled ? `Judged different: ${number(overruled)}; the next run with --replace keeps their samples.` : "",
    isServed ? "" : "To judge them: curate review RUN.",
  ].filter(Boolean).join(" ");
}

function showVerdict() {
  byId("verdicts").hidden = !isServed || !isMatch(current);
  const verdict = index.said[rows.name[current]];
  for (const button of document.querySelectorAll("[data-verdict]")) button.setAttribute("aria-pressed", button.dataset.verdict === verdict);
  byId("undo").disabled = !undone.length;
}

/** Send what is said of a pair; the page shows it only once it is stored. */
async function send(name, verdict) {
  const told = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ pair: name, verdict }) };
  const answer = await fetch("verdicts", told).catch(() => undefined);
  if (!answer?.ok) {
    const why = answer ? (await answer.json()).why : "curate review does not answer; is it still running?";
    byId("pair-said").textContent = `Not stored: ${why}`;
    return false;
  }
  Object.assign(index, await answer.json());
  showReview();
  return true;
}

let isBusy = false;   // one verdict after another, so that none overtakes the last
async function judge(verdict) {
  if (isBusy || current < 0 || byId("verdicts").hidden) return;
  isBusy = true;
  const name = rows.name[current];
  const before = index.said[name] ?? "withdrawn";
  if (await send(name, verdict)) {
    undone.push([name, before]);
    const isLast = !step(1);
    if (isLast) showVerdict();
    say(`${verdict}${isLast ? ", the last pair here" : ""}`);
  }
  isBusy = false;
}

async function undo() {
  if (isBusy || !undone.length) return;
  isBusy = true;
  const [name, before] = undone[undone.length - 1];
  if (await send(name, before)) {
    undone.pop();
    openPair(rows.name.indexOf(name));
    say("undone");
  }
  isBusy = false;
}

function say(what) {
  const { whole } = index.review;
  const judged = whole.same + whole.different + whole.unsure;
  byId("pair-said").textContent = `Said: ${what}. Of the sample, ${judged} of ${whole.drawn} are judged${whole.precision === null ? "" : `; precision ${percent(whole.precision)}, ${percent(whole.low)} to ${percent(whole.high)}`}.`;
}

function begin() {
  reset();
  byId("show").value = "drawn";
  byId("order").value = "drawn";  // so that whoever stops early has judged a random sample still
  choose();
  const first = chosen.find((n) => !index.said[rows.name[n]]) ?? chosen[0];
  if (first !== undefined) openPair(first);
}
