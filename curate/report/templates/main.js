// Keys, filters, and the beginning.
function reset() {
  for (const id of FILTERS) byId(id).value = byId(id).tagName === "SELECT" ? byId(id).options[0].value : "";
}

function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const keys = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), s: () => judge("same"), d: () => judge("different"), u: () => judge("unsure"), z: undo };
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key in keys) {
    event.preventDefault();
    keys[key]();
  }
}

function options(id, names, first) {
  const some = names.map(([value, text]) => make("option", { value }, text));
  byId(id).replaceChildren(make("option", { value: "" }, first), ...some);
}

async function main() {
  index = await load("index");
  if (isServed) Object.assign(index, await (await fetch("verdicts")).json());
  rows = index.pairs;
  options("gallery", index.galleries.map((g, n) => [n, `${galleryName(g)} (${g.shown.toLocaleString("en")})`]), "all");
  options("kind", index.kinds.map((name, n) => [n, word(name)]), "any");
  options("change", [...index.changes.map((name, n) => [n, word(name)]), ["none", "not changed so"]], "changed or not");
  for (const id of FILTERS) byId(id).addEventListener("input", choose);
  byId("reset").addEventListener("click", () => { reset(); choose(); });
  byId("page").addEventListener("input", () => turn(Number(byId("page").value)));
  byId("previous").addEventListener("click", () => { turn(page - 1); byId("pairs-title").scrollIntoView(); });
  byId("next").addEventListener("click", () => { turn(page + 1); byId("pairs-title").scrollIntoView(); });
  byId("close").addEventListener("click", () => byId("pair").close());
  byId("pair").addEventListener("close", closed);
  byId("pair").addEventListener("keydown", press);
  byId("back").addEventListener("click", () => step(-1));
  byId("forth").addEventListener("click", () => step(1));
  byId("undo").addEventListener("click", undo);
  byId("begin").addEventListener("click", begin);
  for (const button of document.querySelectorAll("[data-verdict]")) button.addEventListener("click", () => judge(button.dataset.verdict));
  for (const link of document.querySelectorAll("[data-gallery]")) {
    link.addEventListener("click", () => { reset(); byId("gallery").value = index.galleries.findIndex((g) => g.name === link.dataset.gallery); choose(); });
  }
  window.addEventListener("hashchange", openLinked);
  byId("browse").hidden = false;
  showReview();
  choose();
  openLinked();
}

main().catch((error) => { byId("missing").hidden = false; throw error; });
