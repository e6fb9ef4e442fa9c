"use strict";
// The gallery: which pairs, in which order, page by page. Texts are only ever set as text, never as markup.
const byId = (id) => document.getElementById(id);
const PAGE = 24;
const WORDS = new Map(Object.entries({
  byte_equal: "same bytes", near: "near", overlaid: "drawn over", semantic: "like in meaning",
  mirrored: "mirrored", turned: "turned", cut: "cut", filling: "framed or pasted",
}));
const word = (name) => WORDS.get(name) ?? name;
const galleryName = (gallery) => gallery.name || "duplicates in the corpus";
const policy = window.trustedTypes?.createPolicy("curate", {
  createScriptURL(url) {
    if (!/^pairs\/(index|\d+)\.js$/.test(url)) throw new TypeError(`no script of ours: ${url}`);
    return url;
  },
});

/** An element with attributes and children; a child that is a string becomes text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== ""));
  return element;
}

// Sidecar files are scripts that call take(NAME, DATA): no other file may be read by a page opened from a disk.
const asked = new Map();
window.take = (name, data) => asked.get(name)?.resolve(data);
function load(name) {
  if (!asked.has(name)) {
    const entry = {};
    entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    asked.set(name, entry);
    const url = `pairs/${name}.js`;
    const script = document.createElement("script");
    script.src = policy ? policy.createScriptURL(url) : url;
    script.onerror = () => { asked.delete(name); entry.reject(new Error(url)); };
    script.onload = () => script.remove();
    document.head.append(script);
  }
  return asked.get(name).promise;
}

let index;            // what pairs/index.js says
let rows;             // its columns: a value a pair
let chosen = [];      // numbers of the pairs that the filters let through, in order
let page = 0;

const isMatch = (n) => index.galleries[rows.gallery[n]].name !== "";
const changesOf = (n) => index.changes.filter((_, bit) => (rows.changes[n] >> bit) & 1);

/** What is known of pair n; it must bear its name, or the report was written again since this page was opened. */
async function detail(n) {
  const told = (await load(String(Math.floor(n / index.chunk))))[n % index.chunk];
  if (told?.name !== rows.name[n]) throw new Error("of another report");
  return told;
}

function passes(n, wanted) {
  const verdict = index.said[rows.name[n]];
  const shown = { all: true, drawn: rows.drawn[n], open: !verdict && isMatch(n) }[wanted.show] ?? verdict === wanted.show;
  return shown
    && (wanted.gallery === "" || rows.gallery[n] === Number(wanted.gallery))
    && (wanted.kind === "" || rows.kind[n] === Number(wanted.kind))
    && (wanted.change === "" || (wanted.change === "none" ? isMatch(n) && !rows.changes[n] : (rows.changes[n] >> Number(wanted.change)) & 1))
    && (wanted.from === "" || rows.score[n] >= Number(wanted.from))
    && (wanted.to === "" || rows.score[n] <= Number(wanted.to))
    && (wanted.text === "" || rows.sample[n].includes(wanted.text) || rows.match[n].includes(wanted.text));
}

const FILTERS = ["gallery", "kind", "change", "from", "to", "text", "show", "order"];

function choose() {
  const wanted = Object.fromEntries(FILTERS.map((id) => [id, byId(id).value]));
  const by = { up: (n) => rows.score[n], down: (n) => -rows.score[n], drawn: (n) => rows.drawn[n] || Infinity }[wanted.order];
  const places = rows.name.map((_, n) => (wanted.order === "drawn" ? 0 : rows.gallery[n]));
  chosen = rows.name.map((_, n) => n).filter((n) => passes(n, wanted));
  chosen.sort((a, b) => places[a] - places[b] || by(a) - by(b) || a - b);
  const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
  byId("page").replaceChildren(...Array.from({ length: pages }, (_, p) => make("option", { value: p }, `${p + 1} of ${pages}`)));
  turn(0);
}

/** Show a page; its pictures are loaded when their cards come near the window. */
function turn(to) {
  page = to;
  const some = chosen.slice(page * PAGE, (page + 1) * PAGE);
  watcher.disconnect();
  byId("cards").replaceChildren(...some.map(card));
  byId("page").value = page;
  byId("previous").disabled = page === 0;
  byId("next").disabled = (page + 1) * PAGE >= chosen.length;
  const number = (n) => n.toLocaleString("en");
  byId("count").textContent = chosen.length
    ? `${number(page * PAGE + 1)} to ${number(page * PAGE + some.length)} of ${number(chosen.length)} pairs`
    : "No pair is so; reset the filters.";
}

const watcher = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    detail(Number(target.dataset.pair)).then((told) => fill(target, told), () => { byId("missing").hidden = false; });
  }
}, { rootMargin: "400px" });

const roles = (n) => (isMatch(n) ? ["corpus sample", "benchmark image"] : ["dropped", "kept"]);

function card(n) {
  const button = make("button", { type: "button", class: "open", "aria-haspopup": "dialog" },
    make("span", { class: "two" }, frame(roles(n)[0]), frame(roles(n)[1])),
    make("span", { class: "facts" }, ...facts(n)));
  button.addEventListener("click", () => openPair(n));
  const element = make("article", { class: "card", "data-pair": n }, button,
    make("div", { class: "two names" }, named(rows.sample[n]), named(rows.match[n])));
  watcher.observe(element);
  return element;
}

const frame = (role) => make("span", { class: "figure" }, make("span", { class: "frame" }), make("span", { class: "soft" }, role));
const named = (place) => make("div", {}, make("bdi", { class: "key" }, place));

function facts(n) {
  const verdict = index.said[rows.name[n]];
  const chips = [word(index.kinds[rows.kind[n]]), ...changesOf(n).map(word)].map((said) => make("span", { class: "chip" }, said));
  if (verdict) chips.push(make("span", { class: `chip ${verdict}` }, `judged ${verdict}`));
  return [make("span", { class: "score" }, rows.score[n].toFixed(2)), ...chips];
}

function fill(element, told) {
  const frames = element.querySelectorAll(".frame");
  const names = element.querySelectorAll(".names > div");
  told.pictures.forEach((picture, side) => {
    frames[side].replaceChildren(shownPicture(picture, roles(Number(element.dataset.pair))[side]));
    const text = picture.caption ?? picture.label;
    if (text !== undefined) names[side].append(make("bdi", { class: "caption text" }, text));
  });
}

function shownPicture(picture, role) {
  if (!picture.jpeg) return make("span", { class: "soft" }, "no picture stored");
  const image = make("img", { alt: picture.grey ? `${role}, stored grey view` : role, class: picture.grey ? "grey" : false });
  image.src = `data:image/jpeg;base64,${picture.jpeg}`;
  return image;
}
