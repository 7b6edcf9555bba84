// Time: every step as a column, played and scrubbed.

const PLAY = 350;                                    // milliseconds a step
let playing = null;

function buildStrip() {
  const strip = element("strip"), head = text("div", "", "rows");
  strip.style.gridTemplateColumns = `auto repeat(${STEPS}, minmax(46px, 1fr))`;
  const rows = ["noisy", "predicted", "sources"].map((name) => {
    const row = text("span", name);
    row.style.aspectRatio = `${W} / ${H}`;
    return row;
  });
  head.append(...rows, text("span", "entropy"));
  strip.append(head);
  for (let step = STEPS - 1; step >= 0; step--) {
    const button = text("button", ""), entropy = text("div", "", "entropy");
    button.type = "button";
    button.dataset.step = step;
    button.setAttribute("aria-label", `Step ${STEPS - step} of ${STEPS}, t = ${number(view.t[step])}, `
      + `mean entropy ${number(mean(data.entropy, step))} nats, ${plural(winners(step).length, "image")}`);
    entropy.append(text("i", ""), text("b", ""));
    button.append(imageAt(data.phi, step * C * PIXELS), imageAt(data.x0, step * C * PIXELS), canvasOf(W, H), entropy,
      text("span", winners(step).length), text("span", `t ${number(view.t[step])}`));
    button.onclick = () => choose({ step });
    strip.append(button);
  }
}

const columns = () => element("strip").querySelectorAll("button");
const mostEntropy = remembered(() => Math.max(1e-9, data.entropy.reduce((a, b) => Math.max(a, b), 0)));

function drawStripSources() {                        // anew where the theme changes
  for (const button of columns()) {
    button.querySelectorAll("canvas")[2].getContext("2d").drawImage(sourcesOf(Number(button.dataset.step)), 0, 0);
  }
}

function showStripPixel() {
  const { y, x } = state.hover ?? state;
  for (const button of columns()) {
    const step = Number(button.dataset.step), high = (value) => `${(96 * value / mostEntropy()).toFixed(1)}%`;
    button.querySelector(".entropy i").style.height = high(mean(data.entropy, step));
    button.querySelector(".entropy b").style.bottom = high(data.entropy[pixelOf(step, y, x)]);
  }
}

function showStep() {
  const { step } = state, k = view.patchSize[step], strength = view.strength[step];
  element("step").value = STEPS - 1 - step;
  const facts = [`${STEPS - step} of ${STEPS}`, `t = ${number(view.t[step])}`, `σ = ${number(view.sigma[step])}`];
  if (k) facts.push(`k = ${k}`);
  if (strength !== null) facts.push(`λ = ${number(strength)}`);
  element("step-facts").textContent = facts.join(" · ");
  element("step").setAttribute("aria-valuetext", facts.slice(0, 3).join(", "));
  for (const button of columns()) {
    if (Number(button.dataset.step) === step) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  }
}

function play() {                                    // to the sample; from the noise if it stands there
  if (playing !== null) return stop();
  element("play").textContent = "Pause";
  choose({ step: state.step === 0 ? STEPS - 1 : state.step, picture: state.picture === "drawn" ? "x0" : state.picture });
  playing = setInterval(() => (state.step === 0 ? stop() : choose({ step: state.step - 1 })), PLAY);
}

function stop() {
  clearInterval(playing);
  playing = null;
  element("play").textContent = "Play";
}
