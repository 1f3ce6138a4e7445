"use strict";
// The radio buttons hold the state of the page, and the URL's hash has a copy of it.
const NAMES = ["mix", "domain", "kind", "left", "right", "theme"];
const root = document.documentElement;
root.classList.add("js");

document.addEventListener("DOMContentLoaded", () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const [stage, reveal, here] = ["stage", "reveal", "here"].map(byId);
  const RESTING = here.textContent;
  const names = new Map(
    Object.entries(data.classes).map(([name, [r, g, b]]) => [(r << 16) | (g << 8) | b, name]),
  );
  let alone = null; // the class that is shown alone
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
    show();
  }

  function writeHash() {
    const state = new URLSearchParams(NAMES.map((name) => [name, value(name)]));
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
    const { images, predictions } = data.domains[domain];
    for (const radio of radios("kind")) {
      const found = predictions[mix].find((each) => each.kind === radio.value);
      radio.disabled = !found;
      radio.parentElement.querySelector("small").textContent = found ? percent(found.miou) : "";
    }
    const shown = predictions[mix].find((each) => each.kind === kind);
    byId("nothing").hidden = Boolean(shown);
    stage.hidden = byId("tools").hidden = !shown;
    byId("which").textContent = shown ? images[shown.image].id : "";
    if (shown) showPrediction(images[shown.image], shown, left, right);
  }

  function showPrediction(shownImage, shown, left, right) {
    uris = {
      image: shownImage.image,
      label: shownImage.label,
      prediction: shown.prediction,
      error: shown.error,
    };
    stage.style.setProperty("--ratio", `${shownImage.width} / ${shownImage.height}`);
    for (const layer of all(".layer")) {
      layer.classList.toggle("left", layer.dataset.layer === left);
      layer.classList.toggle("right", layer.dataset.layer === right);
      for (const image of layer.querySelectorAll("img")) {
        image.src = uris[image.dataset.source];
        if (!image.classList.contains("under")) image.alt = `${layer.dataset.layer} of ${shownImage.id}`;
      }
    }
    here.textContent = RESTING;
    divide();
    decode();
  }

  function divide() {
    const at = Number(reveal.value);
    stage.style.setProperty("--at", `${at}%`);
    reveal.setAttribute("aria-valuetext", `${at} % ${value("left")}, ${100 - at} % ${value("right")}`);
  }

  async function decode() {
    const wanted = uris;
    const [label, prediction] = await Promise.all([pixelsOf(uris.label), pixelsOf(uris.prediction)]);
    if (wanted !== uris) return; // another sample was chosen meanwhile
    pixels = { label, prediction };
    for (const layer of ["label", "prediction"]) {
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
      const [label, prediction] = ["label", "prediction"].map((l) => classAt(pixels[l], x, y));
      here.textContent = `Label: ${label}. Prediction: ${prediction}.`;
    }
  }

  function percent(share) {
    return `${(100 * share).toFixed(1)} %`;
  }

  document.addEventListener("change", (event) => {
    if (!NAMES.includes(event.target.name)) return;
    writeHash();
    show();
  });
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
