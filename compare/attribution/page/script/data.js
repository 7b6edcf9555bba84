"use strict";
// The arrays of the page, and what they say of a pixel, a step and an image.

const view = JSON.parse(document.getElementById("view").textContent);
const { height: H, width: W, channels: C, top: K, others: A } = view;
const STEPS = view.t.length, PIXELS = H * W;
const TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };
const LETTERS = "ABCDEFGHIJKL";
const data = {};
const atlas = new Image();
const element = (id) => document.getElementById(id);

async function unpack({ type, data: text }) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new TYPES[type](await new Response(stream).arrayBuffer());
}

const pixelOf = (step, y, x) => (step * H + y) * W + x;
const winnerOf = (step, y, x) => data.image[pixelOf(step, y, x) * K];

function patchesAt(step, y, x) {
  const patches = [];
  for (let rank = 0; rank < K; rank++) {
    const at = pixelOf(step, y, x) * K + rank, image = data.image[at];
    if (image < view.images.length) {
      patches.push({ rank, image, ...view.images[image], y: data.sourceY[at], x: data.sourceX[at], weight: data.weight[at] });
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

const mean = (values, step) => values.subarray(step * PIXELS, (step + 1) * PIXELS).reduce((a, b) => a + b, 0) / PIXELS;
const massAt = (at) => data.weight.subarray(at * K, (at + 1) * K).reduce((total, weight) => total + weight, 0);

const winners = remembered((step) => {                 // the images that win a pixel of the step, most pixels first
  const won = new Map(), mass = new Map();
  for (let at = step * PIXELS; at < (step + 1) * PIXELS; at++) {
    won.set(data.image[at * K], (won.get(data.image[at * K]) ?? 0) + 1);
    for (let rank = 0; rank < K; rank++) {
      const image = data.image[at * K + rank];
      mass.set(image, (mass.get(image) ?? 0) + data.weight[at * K + rank]);
    }
  }
  const list = [...won].filter(([image]) => image < view.images.length).map(([image, count]) => (
    { image, ...view.images[image], won: count / PIXELS, mass: mass.get(image) / PIXELS }));
  return list.sort((a, b) => b.won - a.won || b.mass - a.mass || a.id - b.id);
});

function remembered(make) {                          // of each key once
  const made = new Map();
  return (key) => {
    if (!made.has(key)) made.set(key, make(key));
    return made.get(key);
  };
}

const slotOf = (step, image) => view.coloured[step].indexOf(image);
const nameOf = (image) => `image ${view.images[image].id}`;
const labelOf = ({ class: name, file }) => [name, file].filter(Boolean).join(" · ");
const number = (value) => (value === 0 ? "0" : Math.abs(value) < 0.001 || Math.abs(value) >= 10000
  ? value.toExponential(1) : Number(value.toPrecision(3)).toString());
const percent = (share) => `${share > 0 && share < 0.001 ? "< 0.1" : number(100 * share)} %`;
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

function numbers() {                                 // what is shown, as the download has it
  const { y, x, step } = state, at = pixelOf(step, y, x);
  return {
    title: view.title, machine: view.machine, network: view.network, agreement: view.agreement, notes: view.notes,
    step: { index: step, t: view.t[step], sigma: view.sigma[step], patch_size: view.patchSize[step],
      strength: view.strength[step], distinct_images: winners(step).length, mean_entropy: mean(data.entropy, step) },
    pixel: { y, x, entropy: data.entropy[at], n_eff: Math.exp(data.entropy[at]), mass: massAt(at),
      n_eff_images: Math.exp(data.entropyImages[at]), deviation: data.deviation?.[at] ?? null,
      patches: patchesAt(step, y, x), attention: A ? attentionAt(step, y, x) : [] },
    over_time: { t: view.t, mean_entropy: view.t.map((_, s) => mean(data.entropy, s)),
      distinct_images: view.t.map((_, s) => winners(s).length),
      pixel_entropy: view.t.map((_, s) => data.entropy[pixelOf(s, y, x)]) },
    images: winners(step),
    without: view.without.map(({ image, total }) => ({ ...view.images[image], total })),
  };
}
