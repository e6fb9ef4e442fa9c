// One pair in full: both pictures, the evidence, the ledger's row. `#pair-NAME` in the address opens it.
let current = -1;     // the number of the pair that is open
let opener;           // what had the focus before

function openPair(n) {
  if (!byId("pair").open) {
    opener = document.activeElement;
    byId("pair").showModal();
  }
  current = n;
  byId("pair-body").replaceChildren();
  byId("pair-said").textContent = "";
  const place = chosen.indexOf(n);
  byId("pair-title").textContent = place < 0 ? "A pair" : `Pair ${(place + 1).toLocaleString("en")} of ${chosen.length.toLocaleString("en")}`;
  byId("back").disabled = place <= 0;
  byId("forth").disabled = place < 0 || place + 1 >= chosen.length;
  byId("pair-title").focus();
  window.location.replace(`#pair-${rows.name[n]}`);
  showVerdict();
  return detail(n).then((told) => { if (current === n) byId("pair-body").replaceChildren(...inFull(n, told)); },
    () => { byId("pair-said").textContent = byId("missing").textContent; });
}

function inFull(n, told) {
  const figures = told.pictures.map((picture, side) => make("figure", {},
    make("div", { class: "frame large" }, shownPicture(picture, roles(n)[side])),
    make("figcaption", {}, ...texts(picture, roles(n)[side], [rows.sample[n], rows.match[n]][side]))));
  const facts = [["pair", isMatch(n) ? `match with ${index.galleries[rows.gallery[n]].name}` : "duplicate in the corpus"],
    ["kind", word(index.kinds[rows.kind[n]])], ["evidence", told.evidence]];
  if (told.view) facts.push(["seen as", told.view]);
  return [make("div", { class: "two" }, ...figures), list(facts),
    make("h3", {}, "In the ledger"), list(told.ledger.map(([name, value]) => [name.replace("_", " "), value])),
    make("p", {}, "All that is known of it: ", make("code", { class: "copy text" }, told.explain))];
}

function texts(picture, role, place) {
  const lines = [make("span", { class: "soft" }, picture.grey ? `${role}, stored grey view` : role), make("bdi", { class: "key" }, place)];
  if (picture.label !== undefined) lines.push(make("bdi", { class: "text" }, `class ${picture.label}`));
  if (picture.caption !== undefined) lines.push(make("bdi", { class: "text" }, picture.caption));
  if (picture.link !== undefined) {
    lines.push(make("a", { class: "key", href: picture.link, rel: "noreferrer noopener nofollow", target: "_blank" }, make("bdi", {}, picture.url)));
  } else if (picture.url !== undefined) lines.push(make("bdi", { class: "key" }, picture.url));
  return lines;
}

const list = (facts) => make("dl", { class: "ledger" }, ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", { class: "text" }, value))));

/** Go `by` pairs on among the chosen; false at either end. */
function step(by) {
  const place = chosen.indexOf(current);
  const next = place < 0 ? undefined : chosen[place + by];
  if (next !== undefined) openPair(next);
  return next !== undefined;
}

/** After the dialog: the page that shows the pair last seen, and the focus where it was. */
function closed() {
  const place = chosen.indexOf(current);
  current = -1;
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  const last = place < 0 ? page : Math.floor(place / PAGE);
  turn(last);
  const back = byId("cards").children[place < 0 ? 0 : place % PAGE]?.querySelector("button");
  (place < 0 && opener?.isConnected ? opener : back)?.focus();
}

function openLinked() {
  const name = window.location.hash.match(/^#pair-([0-9a-f]{16})$/)?.[1];
  const n = name ? rows.name.indexOf(name) : -1;
  if (n >= 0 && n !== current) openPair(n);
}
