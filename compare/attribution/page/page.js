"use strict";
// What the page does: unpack the arrays, draw the pictures of the chosen step, and list the chosen pixel's patches.

const view = JSON.parse(document.getElementById("view").textContent);
const { height: H, width: W, channels: C, top: K, others: A } = view;
const STEPS = view.t.length;
const EDGE = 320, TALLEST = 280;                     // longer side of a picture: canvas pixels, and CSS pixels at most
const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };
const state = { step: view.meanEntropy.indexOf(Math.min(...view.meanEntropy)), y: H >> 1, x: W >> 1, hover: null };
const data = {};
const atlas = new Image();
const element = (id) => document.getElementById(id);

const PICTURES = [
  { name: "phi", caption: "Noisy image of the step" },
  { name: "x0", caption: "Theory's prediction of the step" },
  { name: "mosaic", caption: "Mosaic: each pixel's best patch" },
  { name: "sources", caption: "Source images of the best patches" },
  { name: "drawn", caption: `The sample, as ${view.drawnBy} draws it` },
  { name: "generated", caption: "The network's image" },
].filter((picture) => picture.name !== "generated" || view.network);

async function unpack({ type, data: text }) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new TYPES[type](await new Response(stream).arrayBuffer());
}

const pixelOf = (step, y, x) => (step * H + y) * W + x;

function patchesAt(step, y, x) {
  const patches = [];
  for (let rank = 0; rank < K; rank++) {
    const at = pixelOf(step, y, x) * K + rank, image = data.image[at];
    if (image < view.images.length) {
      patches.push({ rank, image, id: view.images[image].id, class: view.images[image].class, y: data.sourceY[at],
        x: data.sourceX[at], weight: data.weight[at] });
    }
  }
  return patches;
}

function attentionAt(step, y, x) {
  const others = [];
  for (let other = 0; other < A; other++) {
    const at = pixelOf(step, y, x) * A + other;
    others.push({ y: data.otherY[at], x: data.otherX[at], weight: data.attention[at] });
  }
  return others;
}

function colourOf(image) {                           // the largest contributors have a colour, the others greys
  const rank = view.contributors.findIndex((one) => one.id === view.images[image].id);
  return rank >= 0 && rank < view.palette.length ? view.palette[rank] : view.greys[view.images[image].id % view.greys.length];
}

// --- pictures -----------------------------------------------------------------------------------------------------

function sized(canvas, edge) {
  const scale = Math.max(1, Math.floor(edge / Math.max(H, W)));
  canvas.width = W * scale;
  canvas.height = H * scale;
  canvas.style.maxWidth = `${TALLEST * Math.min(1, W / H)}px`;
  return scale;
}

function pixels(values, offset) {                    // (C, H, W) bytes -> a small canvas
  const small = document.createElement("canvas");
  small.width = W;
  small.height = H;
  const context = small.getContext("2d"), picture = context.createImageData(W, H);
  for (let p = 0; p < H * W; p++) {
    for (let c = 0; c < 3; c++) picture.data[4 * p + c] = values[offset + (C === 3 ? c : 0) * H * W + p];
    picture.data[4 * p + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
  return small;
}

function drawPicture({ name, canvas }) {
  const scale = sized(canvas, EDGE), context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  if (name === "sources") {
    drawSources(context, scale);
  } else {
    const still = name === "drawn" || name === "generated";
    context.drawImage(pixels(data[name], still ? 0 : state.step * C * H * W), 0, 0, canvas.width, canvas.height);
  }
  const { y, x } = state.hover ?? state;
  if (name !== "sources") outline(context, y, x, view.patchSize[state.step], scale);
  box(context, x * scale, y * scale, scale, scale, 2);
}

function drawSources(context, scale) {
  const best = (y, x) => pixelOf(state.step, y, x) * K;
  const tile = (y, x) => [data.image[best(y, x)], data.sourceY[best(y, x)] - y, data.sourceX[best(y, x)] - x].join();
  const depth = (y, x) => 0.12 + 0.88 * Math.sqrt(Math.min(1, data.weight[best(y, x)]));
  const part = (y, x, y1, x1, ...line) => {           // a line between pixels of different tiles, as deep as they are
    if (tile(y, x) === tile(y1, x1)) return;
    context.globalAlpha = Math.max(depth(y, x), depth(y1, x1));
    context.fillRect(...line);
  };
  context.fillStyle = "#fff";
  context.fillRect(0, 0, W * scale, H * scale);
  for (let y = 0; y < H; y++) {
    for (let x = 0; x < W; x++) {
      context.globalAlpha = depth(y, x);
      context.fillStyle = colourOf(data.image[best(y, x)]);
      context.fillRect(x * scale, y * scale, scale, scale);
    }
  }
  context.fillStyle = "#222";
  for (let y = 0; y < H; y++) {
    for (let x = 0; x < W; x++) {
      if (x + 1 < W) part(y, x, y, x + 1, (x + 1) * scale - 0.5, y * scale, 1, scale);
      if (y + 1 < H) part(y, x, y + 1, x, x * scale, (y + 1) * scale - 0.5, scale, 1);
    }
  }
  context.globalAlpha = 1;
}

function box(context, x, y, width, height, thick) {  // black in white: seen on any ground
  context.lineWidth = thick + 2;
  context.strokeStyle = "#fff";
  context.strokeRect(x, y, width, height);
  context.lineWidth = thick;
  context.strokeStyle = "#000";
  context.strokeRect(x, y, width, height);
}

function outline(context, y, x, k, scale) {          // the k x k window at a pixel; k = 0 is the whole image
  if (k === 0) return;
  const r = (k - 1) / 2;
  for (const dy of view.wraps ? [-H, 0, H] : [0]) {
    for (const dx of view.wraps ? [-W, 0, W] : [0]) {
      box(context, (x - r + dx) * scale, (y - r + dy) * scale, k * scale, k * scale, 1);
    }
  }
}

function thumbnail(image, y, x, k) {                 // a training image, its patch boxed
  if (image >= view.pictured) {
    const text = document.createElement("span");
    text.className = "unpictured";
    text.textContent = "no picture";
    return text;
  }
  const canvas = document.createElement("canvas"), scale = sized(canvas, 96), context = canvas.getContext("2d");
  const column = image % view.atlasColumns, row = Math.floor(image / view.atlasColumns);
  context.imageSmoothingEnabled = false;
  context.drawImage(atlas, column * W, row * H, W, H, 0, 0, canvas.width, canvas.height);
  if (k !== null) {
    outline(context, y, x, k, scale);
    box(context, x * scale, y * scale, scale, scale, 1);
  }
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `training image ${view.images[image].id}`);
  return canvas;
}

// --- the chosen pixel ---------------------------------------------------------------------------------------------

const number = (value) => (value === 0 ? "0" : Math.abs(value) < 0.001 || Math.abs(value) >= 10000
  ? value.toExponential(1) : Number(value.toPrecision(3)).toString());

function cell(row, content, className = "") {
  const made = row.insertCell();
  made.className = className;
  made.append(...[content].flat());
  return made;
}

function chip(image) {
  const made = document.createElement("span");
  made.className = "chip";
  made.style.background = colourOf(image);
  return made;
}

function bar(share) {
  const made = document.createElement("span");
  made.className = "bar";
  made.style.width = `${Math.round(90 * share)}px`;
  return made;
}

function showPixel() {
  const { y, x } = state.hover ?? state, step = state.step, at = pixelOf(step, y, x);
  element("pixel-title").textContent = `Pixel at row ${y}, column ${x}`;
  element("pixel-facts").textContent = `Entropy ${number(data.entropy[at])} nats: as if ${number(data.effective[at])} `
    + `patches of ${number(data.effectiveImages[at])} images were equally likely. The patches below hold `
    + `${number(100 * data.mass[at])} % of the weight.`;
  const body = document.querySelector("#patches tbody");
  body.replaceChildren();
  for (const patch of patchesAt(step, y, x)) {
    const row = body.insertRow();
    Object.assign(row.dataset, { image: patch.id, y: patch.y, x: patch.x, weight: patch.weight });
    cell(row, String(patch.rank + 1), "rank");
    cell(row, thumbnail(patch.image, patch.y, patch.x, view.patchSize[step]));
    cell(row, [number(patch.weight), bar(patch.weight)]);
    cell(row, [chip(patch.image), String(patch.id)]);
    cell(row, patch.class ?? "", "class");
    cell(row, `${patch.y}, ${patch.x}`);
  }
  if (A) showAttention(step, y, x);
}

function showAttention(step, y, x) {
  const figure = element("attention"), canvas = figure.querySelector("canvas"), others = attentionAt(step, y, x);
  const scale = sized(canvas, EDGE), context = canvas.getContext("2d"), most = Math.max(...others.map((o) => o.weight));
  figure.hidden = false;
  context.imageSmoothingEnabled = false;
  context.filter = "grayscale(1) brightness(0.5) contrast(0.6) brightness(1.8)";
  context.drawImage(pixels(data.x0, step * C * H * W), 0, 0, canvas.width, canvas.height);
  context.filter = "none";
  context.fillStyle = "#D55E00";
  for (const other of others) {
    context.globalAlpha = most ? 0.85 * other.weight / most : 0;
    context.fillRect(other.x * scale, other.y * scale, scale, scale);
  }
  context.globalAlpha = 1;
  box(context, x * scale, y * scale, scale, scale, 2);
  const sum = others.reduce((total, other) => total + other.weight, 0);
  const strength = view.strength[step];
  figure.querySelector("figcaption").textContent = strength === null ? "Pixels it attends to"
    : strength === 0 ? "Pixels it would attend to; at this step λ = 0, none" : `Pixels it attends to, λ = ${number(strength)}`;
  figure.querySelector("p").textContent = `The largest: ${others.slice(0, 4).map((other) =>
    `(${other.y}, ${other.x}) ${number(other.weight)}`).join("; ")}. Shown: ${others.length} of ${H * W - 1}, `
    + `${number(100 * sum)} % of the attention.`;
}

// --- over time ----------------------------------------------------------------------------------------------------

function chart(id, caption, series) {
  const width = 460, height = 170, left = 44, right = 10, top = 26, bottom = 34;
  const most = Math.max(1e-9, ...series.flatMap((one) => one.values));
  const px = (step) => left + (STEPS === 1 ? 0.5 : (STEPS - 1 - step) / (STEPS - 1)) * (width - left - right);
  const py = (value) => height - bottom - value / most * (height - top - bottom);
  const line = (one) => one.values.map((value, step) => `${px(step).toFixed(1)},${py(value).toFixed(1)}`).join(" ");
  const legend = series.map((one, i) => `<line x1="${left + i * 190}" x2="${left + 22 + i * 190}" y1="12" y2="12" `
    + `stroke="${one.colour}" stroke-width="2" stroke-dasharray="${one.dash}"/>`
    + `<text x="${left + 27 + i * 190}" y="16">${one.label}</text>`).join("");
  element(id).innerHTML = `<figcaption>${caption}</figcaption><svg viewBox="0 0 ${width} ${height}" role="img" `
    + `aria-label="${caption}">${legend}`
    + `<line x1="${left}" x2="${width - right}" y1="${py(0)}" y2="${py(0)}" stroke="#999"/>`
    + `<line x1="${left}" x2="${left}" y1="${top}" y2="${py(0)}" stroke="#999"/>`
    + `<text x="${left - 6}" y="${py(0) + 4}" text-anchor="end">0</text>`
    + `<text x="${left - 6}" y="${py(most) + 4}" text-anchor="end">${number(most)}</text>`
    + `<text x="${px(STEPS - 1)}" y="${height - 18}">t = 1, noise</text>`
    + `<text x="${px(0)}" y="${height - 18}" text-anchor="end">t = ${number(view.t[0])}</text>`
    + `<line class="now" x1="${px(state.step)}" x2="${px(state.step)}" y1="${top}" y2="${py(0)}" stroke="#000" `
    + `stroke-dasharray="2 3"/>`
    + series.map((one) => `<polyline fill="none" stroke="${one.colour}" stroke-width="2" `
      + `stroke-dasharray="${one.dash}" points="${line(one)}"/>`
      + `<circle r="4" fill="${one.colour}" cx="${px(state.step)}" cy="${py(one.values[state.step])}"/>`).join("")
    + "</svg>";
  element(id).querySelector("svg").onclick = (event) => {
    const place = event.currentTarget.getBoundingClientRect();
    const across = ((event.clientX - place.left) / place.width * width - left) / (width - left - right);
    choose({ step: STEPS - 1 - Math.round(across * (STEPS - 1)) });
  };
}

function showTime() {
  const { y, x } = state.hover ?? state;
  const along = (values) => view.t.map((_, step) => values[pixelOf(step, y, x)]);
  chart("entropy-chart", "Posterior entropy (nats)", [
    { label: "mean over pixels", colour: "#0072B2", dash: "", values: view.meanEntropy },
    { label: "this pixel", colour: "#D55E00", dash: "5 3", values: along(data.entropy) }]);
  chart("images-chart", "Number of training images", [
    { label: "of all best patches", colour: "#0072B2", dash: "", values: view.distinct },
    { label: "this pixel, effective", colour: "#D55E00", dash: "5 3", values: along(data.effectiveImages) }]);
}

// --- the whole ----------------------------------------------------------------------------------------------------

function showStep() {
  const step = state.step, k = view.patchSize[step], strength = view.strength[step];
  element("step").value = STEPS - 1 - step;
  const facts = [`${STEPS - step} of ${STEPS}`, `t = ${number(view.t[step])}`, `σ = ${number(view.sigma[step])}`];
  if (k) facts.push(`k = ${k}`);
  if (strength !== null) facts.push(`λ = ${number(strength)}`);
  facts.push(`${view.distinct[step]} source image${view.distinct[step] === 1 ? "" : "s"}`);
  element("step-facts").textContent = facts.join(" · ");
  element("step").setAttribute("aria-valuetext", facts.slice(0, 3).join(", "));
}

function show() {
  showStep();
  PICTURES.forEach(drawPicture);
  showPixel();
  showTime();
}

function choose(changes) {
  const clamp = (value, most) => Math.min(most, Math.max(0, value));
  Object.assign(state, changes);
  state.step = clamp(state.step, STEPS - 1);
  state.y = clamp(state.y, H - 1);
  state.x = clamp(state.x, W - 1);
  history.replaceState(null, "", `#y=${state.y}&x=${state.x}&step=${state.step}`);
  show();
}

function fromHash() {
  const asked = new URLSearchParams(location.hash.slice(1)), changes = { hover: null };
  for (const name of ["y", "x", "step"]) {
    const value = Number.parseInt(asked.get(name), 10);
    if (Number.isInteger(value)) changes[name] = value;
  }
  choose(changes);
}

function numbers() {                                 // what is shown, as the download has it
  const { y, x } = state, step = state.step, at = pixelOf(step, y, x);
  const named = ({ rank, id, class: name, y, x, weight }) => ({ rank, image: id, class: name, y, x, weight });
  return {
    title: view.title, machine: view.machine, network: view.network, agreement: view.agreement, notes: view.notes,
    step: { index: step, t: view.t[step], sigma: view.sigma[step], patch_size: view.patchSize[step],
      strength: view.strength[step], distinct_images: view.distinct[step], mean_entropy: view.meanEntropy[step] },
    pixel: { y, x, entropy: data.entropy[at], n_eff: data.effective[at], n_eff_images: data.effectiveImages[at],
      mass: data.mass[at], patches: patchesAt(step, y, x).map(named), attention: A ? attentionAt(step, y, x) : [] },
    over_time: { t: view.t, mean_entropy: view.meanEntropy, distinct_images: view.distinct,
      pixel_entropy: view.t.map((_, s) => data.entropy[pixelOf(s, y, x)]) },
    images: view.contributors,
  };
}

function download() {
  const link = document.createElement("a");
  link.href = "data:application/json," + encodeURIComponent(JSON.stringify(numbers(), null, 1));
  link.download = `y${state.y}-x${state.x}-step${state.step}.json`;
  link.click();
}

function placeOf(event) {
  const place = event.currentTarget.getBoundingClientRect();
  return { y: Math.min(H - 1, Math.max(0, Math.floor((event.clientY - place.top) / place.height * H))),
    x: Math.min(W - 1, Math.max(0, Math.floor((event.clientX - place.left) / place.width * W))) };
}

const KEYS = {
  ArrowUp: () => ({ y: state.y - 1 }), ArrowDown: () => ({ y: state.y + 1 }),
  ArrowLeft: () => ({ x: state.x - 1 }), ArrowRight: () => ({ x: state.x + 1 }),
  ",": () => ({ step: state.step + 1 }), ".": () => ({ step: state.step - 1 }),
};

function build() {
  const { agreement } = view;
  document.body.classList.toggle("without-classes", view.images.every((image) => image.class === null));
  element("title").textContent = view.title;
  const facts = [`Theory: ${view.machine}.`];
  if (view.network) {
    facts.push(`Network: ${view.network}, from the same noise.`);
    facts.push(["pearson_r", "r2", "R2"].map((name) => `${name.replace("pearson_", "")} ${
      agreement[name] === null ? "undefined" : agreement[name].toFixed(3)}`).join(", ") + ".");
  }
  if (view.pictured < view.images.length) {
    facts.push(`${view.images.length} training images are named, the ${view.pictured} with most weight are pictured.`);
  }
  element("facts").textContent = facts.join(" ");
  for (const picture of PICTURES) {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    picture.canvas = document.createElement("canvas");
    picture.canvas.id = `picture-${picture.name}`;
    picture.canvas.setAttribute("role", "img");
    picture.canvas.setAttribute("aria-label", picture.caption);
    caption.textContent = picture.caption;
    figure.append(caption, picture.canvas);
    element("pictures").append(figure);
    picture.canvas.onpointermove = (event) => {
      if (event.pointerType !== "mouse") return;
      state.hover = placeOf(event);
      show();
    };
    picture.canvas.onpointerleave = () => {
      state.hover = null;
      show();
    };
    picture.canvas.onclick = (event) => {
      element("pictures").focus({ preventScroll: true });
      choose({ ...placeOf(event), hover: null });
    };
  }
  const body = document.querySelector("#contributors tbody");
  for (const one of view.contributors) {
    const row = body.insertRow(), image = view.images.findIndex((other) => other.id === one.id);
    cell(row, thumbnail(image, 0, 0, null));
    cell(row, [chip(image), String(one.id)]);
    cell(row, one.class ?? "", "class");
    cell(row, [`${number(100 * one.share)} %`, bar(one.share)]);
    cell(row, one.change === null ? "" : number(one.change));
  }
  element("notes").append(...view.notes.map((note) => {
    const item = document.createElement("li");
    item.textContent = note;
    return item;
  }));
  element("step").max = STEPS - 1;
  element("step").oninput = (event) => choose({ step: STEPS - 1 - Number(event.target.value) });
  element("download").onclick = download;
  addEventListener("hashchange", fromHash);
  addEventListener("keydown", (event) => {
    if (event.target === element("step") || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    choose({ ...KEYS[event.key](), hover: null });
  });
}

async function start() {
  for (const [name, packed] of Object.entries(view.arrays)) data[name] = await unpack(packed);
  atlas.src = view.atlas;
  await atlas.decode();
  build();
  fromHash();
  document.body.dataset.ready = "yes";
}

start();
