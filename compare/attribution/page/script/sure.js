// How sure: maps of the step, and where the network departs.

const MAPS = [
  { name: "entropy", caption: "Entropy of the posterior over patches", unit: "nats", at: (at) => data.entropy[at] },
  { name: "effective", caption: "Effective number of training images", unit: "images", at: (at) => Math.exp(data.entropyImages[at]) },
  { name: "deviation", caption: "Standard deviation of the posterior", unit: "of a range of 2", at: (at) => data.deviation[at] },
  { name: "network", caption: "The network's image from the same noise", unit: null },
  { name: "departure", caption: "Where network and sample differ", unit: "difference", at: (_, p) => departure(p) },
];

function departure(p) {                              // of the sample, in [-1, 1], Euclidean over channels
  let sum = 0;
  for (let c = 0; c < C; c++) sum += (data.drawn[c * PIXELS + p] - data.generated[c * PIXELS + p]) ** 2;
  return Math.sqrt(sum) / 127.5;
}

const shownMaps = () => MAPS.filter(({ name }) => (name !== "deviation" || data.deviation)
  && (!["network", "departure"].includes(name) || view.network));
const highest = remembered((name) => {               // over all steps, so that colours mean the same at each
  const { at } = MAPS.find((map) => map.name === name), many = name === "departure" ? PIXELS : STEPS * PIXELS;
  let most = 1e-9;
  for (let p = 0; p < many; p++) most = Math.max(most, at(p, p));
  return most;
});
const mapAt = remembered((key) => {
  const [name, step] = key.split(" "), { at } = MAPS.find((map) => map.name === name);
  return painted((y, x) => ramp(at(pixelOf(Number(step), y, x), y * W + x) / highest(name)));
});

function buildMaps() {
  for (const { name, caption, unit } of shownMaps()) {
    const figure = document.createElement("figure"), canvas = named(canvasOf(W, H), caption);
    canvas.id = `map-${name}`;
    figure.append(text("figcaption", caption), canvas, unit === null ? text("p", "") : scaleOf(0, highest(name), unit),
      text("p", "", "hint value"));
    pointable(canvas);
    element("maps").append(figure);
  }
}

function drawMaps() {
  const { y, x } = state.hover ?? state, { step } = state;
  for (const { name, at, unit } of shownMaps()) {
    const canvas = element(`map-${name}`), picture = unit === null ? base(`generated 0 ${state.without}`) : mapAt(`${name} ${step}`);
    const { context, scale } = show(canvas, picture, 320);
    box(context, x * scale, y * scale, scale, scale, 1);
    canvas.parentElement.querySelector(".value").textContent = unit === null ? ""
      : `here ${number(at(pixelOf(step, y, x), y * W + x))}`;
  }
}
