// The two large pictures: one of several on the left, the map of sources on the right; both choose a pixel.

const EDGE = 768;                                    // longer side of a large picture in canvas pixels
const whole = (name) => () => imageAt(data[name], 0);
const ofStep = (name) => (step) => imageAt(data[name], step * C * PIXELS);
const PICTURES = {
  drawn: { choice: "Sample", caption: () => `The sample, as ${view.drawnBy} draws it`, make: whole("drawn") },
  x0: { choice: "Prediction", caption: () => "What the theory predicts at this step", make: ofStep("x0") },
  phi: { choice: "Noisy image", caption: () => "The noisy image of this step", make: ofStep("phi") },
  mosaic: { choice: "Mosaic", caption: () => "Mosaic: of each pixel, its best patch alone", make: ofStep("mosaic") },
  generated: { choice: "Network", caption: () => "The network's image from the same noise", make: whole("generated") },
  without: { choice: "Without", caption: () => `The sample without ${nameOf(view.without[state.without].image)}`,
    make: () => imageAt(data.without, state.without * C * PIXELS) },
};
if (!view.network) delete PICTURES.generated;
if (!view.without.length) delete PICTURES.without;

const base = remembered((key) => PICTURES[key.split(" ")[0]].make(state.step));
const mapBase = remembered((key) => sourceMap(Number(key.split(" ")[0]), EDGE));
const theme = matchMedia("(prefers-color-scheme: dark)");

function drawStage() {
  const { y, x } = state.hover ?? state, { step } = state, k = view.patchSize[step];
  const left = show(element("picture"), base(`${state.picture} ${step} ${state.without}`), EDGE);
  const right = show(element("sources"), mapBase(`${step} ${theme.matches}`), EDGE);
  for (const { context, scale } of [left, right]) {
    if (state.image !== null) veil(context, step, state.image, scale);
  }
  outline(left.context, y, x, k, left.scale);
  box(right.context, x * right.scale, y * right.scale, right.scale, right.scale, 2);
  const caption = PICTURES[state.picture].caption();
  element("picture-caption").textContent = caption;
  element("picture").setAttribute("aria-label", caption);
  element("sources").setAttribute("aria-label", `Map of sources: ${plural(winners(step).length, "training image")} win a pixel`);
  for (const button of element("choices").children) {
    button.setAttribute("aria-pressed", button.dataset.picture === state.picture);
  }
}

function placeOf(event) {
  const place = event.currentTarget.getBoundingClientRect();
  const within = (share, count) => Math.min(count - 1, Math.max(0, Math.floor(share * count)));
  return { y: within((event.clientY - place.top) / place.height, H), x: within((event.clientX - place.left) / place.width, W) };
}

function pointable(canvas) {                         // pointing shows a pixel, clicking keeps it
  canvas.onpointermove = (event) => {
    if (event.pointerType !== "mouse") return;
    state.hover = placeOf(event);
    showPlace();
  };
  canvas.onpointerleave = () => {
    state.hover = null;
    showPlace();
  };
  canvas.onclick = (event) => {
    if (canvas.closest("#pictures")) element("pictures").focus({ preventScroll: true });
    choose({ ...placeOf(event), hover: null });
  };
}

function buildStage() {
  for (const [picture, { choice }] of Object.entries(PICTURES)) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: choice, onclick: () => choose({ picture }) });
    button.dataset.picture = picture;
    element("choices").append(button);
  }
  pointable(element("picture"));
  pointable(element("sources"));
}
