"use strict";
// The radio buttons and the list of images hold the state of the page, and the URL's hash has a copy
// of it. An image is drawn when it is chosen, and not before.
const NAMES = ["mix", "domain", "kind", "left", "right", "theme"];
const root = document.documentElement;
root.classList.add("js");

document.addEventListener("DOMContentLoaded", () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const [stage, reveal, here, list] = ["stage", "reveal", "here", "image"].map(byId);
  const RESTING = here.textContent;
  const names = new Map(
    Object.entries({ ...data.classes, ...data.partial }).map(([name, [r, g, b]]) => [(r << 16) | (g << 8) | b, name]),
  );
  let alone = null; // the class that is shown alone
  let current = null; // the id of the image that is shown, or that the hash asks for
  let uris = null; // the data URI of each layer that is shown
  let pixels = {}; // the pixels of label and prediction, once they are decoded

  const radios = (name) => all(`input[name="${name}"]`);
  const value = (name) => radios(name).find((radio) => radio.checked).value;

  function readHash() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const name of NAMES) {
      // Unknown values are ignored: the link may be of another run.
      const radio = radios(name).find((r) => r.value === given.get(name));
      if (radio) radio.checked = true;
    }
    current = given.get("image") ?? current;
    show();
  }

  function writeHash() {
    const state = new URLSearchParams(NAMES.map((name) => [name, value(name)]));
    if (value("kind") === "chosen" && current !== null) state.set("image", current);
    history.replaceState(null, "", `#${state}`);
  }

  function show() {
    const [mix, domain, kind, left, right, theme] = NAMES.map(value);
    root.dataset.theme = theme;
    for (const table of all("[data-of]")) table.hidden = table.dataset.of !== mix;
    for (const cell of all("a[data-mix]")) {
      const current = cell.dataset.mix === mix && cell.dataset.domain === domain;
      cell.setAttribute("aria-current", String(current));
    }
    for (const note of all("[data-drawn]")) note.hidden = note.dataset.drawn !== domain;
    const { images, kinds } = data.domains[domain];
    for (const radio of radios("kind")) {
      if (radio.value === "chosen") continue;
      const found = images[kinds[mix][radio.value]];
      radio.disabled = !found;
      radio.parentElement.querySelector("small").textContent = found ? percent(found.mious[mix]) : "";
    }
    const ranked = [...images].sort((one, two) => (two.mious[mix] ?? -1) - (one.mious[mix] ?? -1));
    const byHand = ranked.find((image) => image.id === current);
    const shown = (kind === "chosen" ? byHand : images[kinds[mix][kind]]) ?? ranked[0];
    byId("nothing").hidden = Boolean(shown);
    stage.hidden = byId("tools").hidden = byId("picker").hidden = !shown;
    byId("which").textContent = shown ? shown.id : "";
    if (!shown) return;
    current = shown.id;
    fillList(ranked, mix);
    showImage(shown, shown.predictions[mix], left, right);
  }

  function fillList(ranked, mix) {
    list.replaceChildren(
      ...ranked.map((image) => {
        const bare = image.predictions[mix] ? "" : ", no prediction";
        return new Option(`${percent(image.mious[mix])} ${image.id}${bare}`, image.id);
      }),
    );
    list.value = current;
    byId("before").disabled = list.selectedIndex === 0;
    byId("after").disabled = list.selectedIndex === ranked.length - 1;
  }

  function showImage(shown, predicted, left, right) {
    uris = { image: shown.image, label: shown.label, ...predicted };
    byId("unpredicted").hidden = Boolean(predicted);
    for (const name of ["left", "right"]) {
      for (const radio of radios(name)) radio.disabled = !uris[radio.value];
    }
    // Without a prediction the label takes its place; what was chosen stays for the next image.
    const sides = { left: uris[left] ? left : "label", right: uris[right] ? right : "label" };
    stage.style.setProperty("--ratio", `${shown.width} / ${shown.height}`);
    for (const layer of all(".layer")) {
      for (const side of ["left", "right"]) {
        layer.classList.toggle(side, layer.dataset.layer === sides[side]);
      }
      for (const image of layer.querySelectorAll("img")) {
        const uri = uris[layer.dataset.layer] && uris[image.dataset.source];
        if (uri) image.src = uri;
        else image.removeAttribute("src");
        const alt = uri ? `${layer.dataset.layer} of ${shown.id}` : "";
        if (!image.classList.contains("under")) image.alt = alt;
      }
    }
    here.textContent = RESTING;
    divide();
    decode();
  }

  function divide() {
    const at = Number(reveal.value);
    stage.style.setProperty("--at", `${at}%`);
    const [left, right] = ["left", "right"].map((side) => stage.querySelector(`.${side}`).dataset.layer);
    reveal.setAttribute("aria-valuetext", `${at} % ${left}, ${100 - at} % ${right}`);
  }

  async function decode() {
    const wanted = uris;
    pixels = {};
    const layers = ["label", "prediction"].filter((layer) => wanted[layer]);
    const found = await Promise.all(layers.map((layer) => pixelsOf(wanted[layer])));
    if (wanted !== uris) return; // another image was chosen meanwhile
    pixels = Object.fromEntries(layers.map((layer, k) => [layer, found[k]]));
    for (const layer of layers) {
      const image = stage.querySelector(`img[data-source="${layer}"]`);
      image.src = alone === null ? uris[layer] : onlyClass(pixels[layer], alone);
    }
  }

  async function pixelsOf(uri) {
    const image = new Image();
    image.src = uri;
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  }

  const colourAt = ({ data: rgba }, k) => (rgba[k] << 16) | (rgba[k + 1] << 8) | rgba[k + 2];

  function onlyClass(source, name) {
    const [r, g, b] = data.classes[name];
    // Other classes take the shade that is farther from this class's lightness.
    const rest = 0.299 * r + 0.587 * g + 0.114 * b < 128 ? 238 : 24;
    const wanted = (r << 16) | (g << 8) | b;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [source.width, source.height];
    const drawn = new ImageData(new Uint8ClampedArray(source.data), source.width);
    for (let k = 0; k < drawn.data.length; k += 4) {
      if (drawn.data[k + 3] && colourAt(source, k) !== wanted) drawn.data.fill(rest, k, k + 3);
    }
    canvas.getContext("2d").putImageData(drawn, 0, 0);
    return canvas.toDataURL();
  }

  function classAt(source, x, y) {
    const column = Math.min(source.width - 1, Math.floor(x * source.width));
    const row = Math.min(source.height - 1, Math.floor(y * source.height));
    const k = 4 * (row * source.width + column);
    return source.data[k + 3] ? names.get(colourAt(source, k)) : "ignored";
  }

  function pointAt(event) {
    const box = stage.getBoundingClientRect();
    const inside = (part, whole) => Math.min(1, Math.max(0, part / whole));
    const x = inside(event.clientX - box.left, box.width);
    const y = inside(event.clientY - box.top, box.height);
    if (stage.hasPointerCapture(event.pointerId)) {
      reveal.value = String(Math.round(100 * x));
      divide();
    }
    if (pixels.label) {
      const label = `Label: ${classAt(pixels.label, x, y)}.`;
      const { prediction } = pixels;
      here.textContent = prediction ? `${label} Prediction: ${classAt(prediction, x, y)}.` : label;
    }
  }

  function percent(share) {
    return share === null ? "–" : `${(100 * share).toFixed(1)} %`;
  }

  function chooseImage(id) {
    current = id;
    radios("kind").find((radio) => radio.value === "chosen").checked = true;
    show();
    writeHash();
  }

  document.addEventListener("change", (event) => {
    if (event.target === list) chooseImage(list.value);
    if (!NAMES.includes(event.target.name)) return;
    show();
    writeHash();
  });
  for (const [id, step] of [["before", -1], ["after", 1]]) {
    byId(id).addEventListener("click", () => chooseImage(list.options[list.selectedIndex + step].value));
  }
  addEventListener("hashchange", readHash);
  for (const cell of all("a[data-mix]")) {
    cell.addEventListener("click", () => byId("look").scrollIntoView());
  }
  reveal.addEventListener("input", divide);
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    pointAt(event);
  });
  stage.addEventListener("pointermove", pointAt);
  for (const button of all("button[data-class]")) {
    button.addEventListener("click", () => {
      alone = alone === button.dataset.class ? null : button.dataset.class;
      for (const other of all("button[data-class]")) {
        other.setAttribute("aria-pressed", String(other.dataset.class === alone));
      }
      if (uris) decode();
    });
  }
  readHash();
});
