// State, keys, and the four answers in short.

const state = { step: view.opening, y: H >> 1, x: W >> 1, hover: null, image: null, picture: "drawn", without: 0 };

function answers() {
  const { step } = state, list = winners(step), first = list.slice(0, view.palette.length);
  const share = first.reduce((total, one) => total + one.won, 0);
  element("answer-what").textContent = list.length === 1 ? `Of one training image: ${nameOf(list[0].image)}.`
    : `Of ${plural(list.length, "training image")} of ${view.count.toLocaleString("en")}; the ${first.length} with most, in colour, win `
      + `${percent(share)} of its pixels${step === view.opening ? ", at the step where the machine is most decided" : " at this step"}.`;
  element("answer-where").textContent = "Point at a pixel: the patches that win it stand below, each in its image. "
    + "Mark an image in the list: the pixels that it wins stay clear.";
  const largest = view.without.reduce((a, b) => (b.total > a.total ? b : a), view.without[0]);
  element("answer-without").textContent = !largest ? view.withoutNote : largest.total === 0
    ? `Drawn again without any one of the ${view.without.length} below, the sample is the same.`
    : `Drawn again without ${nameOf(largest.image)}, the sample moves by ${number(largest.total)} of a range of 2: the most `
      + `of the ${view.without.length} below.`;
  const likely = Math.exp(mean(data.entropyImages, step));
  element("answer-sure").textContent = `At a pixel of this step ${likely < 1.5 ? "one image decides"
    : `some ${number(likely)} images are as good as equally likely`}`
    + (view.agreement ? `; the network's image has r² ${number(view.agreement.r2 ?? NaN)} with the sample (1: the same).` : ".");
}

function showPlace() {
  drawStage();
  showPixel();
  showStripPixel();
  drawMaps();
}

function choose(changes) {
  const clamp = (value, most) => Math.min(most, Math.max(0, value));
  const before = { ...state };
  Object.assign(state, changes);
  state.step = clamp(state.step, STEPS - 1);
  state.y = clamp(state.y, H - 1);
  state.x = clamp(state.x, W - 1);
  const mark = state.image === null ? "" : `&image=${view.images[state.image].id}`;
  remember(`#y=${state.y}&x=${state.x}&step=${state.step}&picture=${state.picture}${mark}`);
  if (before.step !== state.step || before.image !== state.image) {
    showStep();
    showImages();
    answers();
  }
  showPlace();
}

function remember(hash) {                            // in the address; a frame in a notebook has none of its own
  try {
    history.replaceState(null, "", hash);
  } catch (error) {
    if (error.name !== "SecurityError") throw error;
  }
}

function fromHash() {
  const asked = new URLSearchParams(location.hash.slice(1)), changes = { hover: null, image: null };
  for (const name of ["y", "x", "step"]) {
    const value = Number.parseInt(asked.get(name), 10);
    if (Number.isInteger(value)) changes[name] = value;
  }
  if (PICTURES[asked.get("picture")]) changes.picture = asked.get("picture");
  const image = view.images.findIndex(({ id }) => String(id) === asked.get("image"));
  if (image >= 0) changes.image = image;
  choose(changes);
}

function download() {
  const link = document.createElement("a");
  link.href = "data:application/json," + encodeURIComponent(JSON.stringify(numbers(), null, 1));
  link.download = `y${state.y}-x${state.x}-step${state.step}.json`;
  link.click();
}

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const KEYS = {
  ",": () => choose({ step: state.step + 1 }), ".": () => choose({ step: state.step - 1 }), p: play,
  Escape: () => choose({ image: null, hover: null }),
};

function pressed(event) {
  if (event.target === element("step") || event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = event.target === element("pictures") && ARROWS[event.key];
  if (!arrow && !KEYS[event.key]) return;
  event.preventDefault();
  if (arrow) choose({ y: state.y + arrow[0], x: state.x + arrow[1], hover: null });
  else KEYS[event.key]();
}

function build() {
  buildStage();
  buildStrip();
  buildWithout();
  buildMaps();
  drawStripSources();
  element("notes").append(...view.notes.map((note) => text("li", note)));
  element("step").max = STEPS - 1;
  element("step").oninput = (event) => choose({ step: STEPS - 1 - Number(event.target.value) });
  element("play").onclick = play;
  element("download").onclick = download;
  addEventListener("hashchange", fromHash);
  addEventListener("keydown", pressed);
  theme.addEventListener("change", () => {
    drawStripSources();
    showImages();
    showPlace();
  });
}

async function start() {                              // the sample first: the rest takes longer to unpack and draw
  const unpacked = async (names) => Promise.all(names.map(async (name) => { data[name] = await unpack(view.arrays[name]); }));
  await unpacked(["drawn"]);
  element("title").textContent = view.title;
  element("about").textContent = view.about;
  document.documentElement.style.setProperty("--aspect", W / H);
  show(element("picture"), imageAt(data.drawn, 0), EDGE);
  requestAnimationFrame(() => { document.body.dataset.firstPicture = Math.round(performance.now()); });
  await unpacked(Object.keys(view.arrays));
  atlas.src = view.atlas;
  await atlas.decode();
  build();
  fromHash();
  showStep();
  showImages();
  answers();
  document.body.dataset.ready = Math.round(performance.now());
}

start();
