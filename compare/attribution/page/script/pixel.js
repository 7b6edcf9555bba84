// The chosen pixel: its winning patches enlarged, each beside its training image.

function text(tag, content, className = "") {
  return Object.assign(document.createElement(tag), { textContent: content, className });
}

function chip(step, image) {
  const slot = slotOf(step, image), made = text("span", slot >= 0 ? LETTERS[slot] : "", "chip");
  made.style.background = `rgb(${colourOf(step, image)})`;
  made.style.color = slot >= 0 && luminance(rgbOf(view.palette[slot])) < 0.2 ? "#fff" : "#000";
  return made;
}

function luminance(colour) {
  const [r, g, b] = colour.map((value) => (value / 255 <= 0.04 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function bar(share) {
  const made = text("span", "", "bar");
  made.style.width = `${Math.max(1, Math.round(100 * share))}%`;
  return made;
}

function named(canvas, label) {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
}

function boxed(picture, y, x, k) {                   // a whole image with the window's place in it
  const canvas = canvasOf(W, H), { context, scale } = show(canvas, picture, 256);
  outline(context, y, x, k, scale);
  return canvas;
}

function marker(image, content) {                    // a button that marks all pixels that an image wins
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.marks = image;
  button.setAttribute("aria-pressed", state.image === image);
  button.append(...content);
  button.onclick = () => choose({ image: state.image === image ? null : image });
  return button;
}

function showPixel() {
  const { y, x } = state.hover ?? state, { step } = state, at = pixelOf(step, y, x), k = view.patchSize[step];
  element("pixel-title").textContent = `Pixel at row ${y}, column ${x}`;
  const facts = [`The patches below hold ${percent(massAt(at))} of its weight. Entropy ${number(data.entropy[at])} nats: as `
    + `if ${number(Math.exp(data.entropy[at]))} patches of ${number(Math.exp(data.entropyImages[at]))} images were equally likely.`];
  if (data.deviation) facts.push(`Standard deviation ${number(data.deviation[at])}.`);
  element("pixel-facts").textContent = facts.join(" ");
  const own = document.createElement("li"), patches = patchesAt(step, y, x);
  own.append(text("p", k ? `Here, ${k} × ${k}:` : "Here:"),
    named(windowOf(base(`phi ${step} ${state.without}`), y, x, k), "noisy window of this sample"),
    named(windowOf(base(`x0 ${step} ${state.without}`), y, x, k), "predicted window of this sample"),
    text("p", "noisy, and as predicted"));
  element("patches").replaceChildren(own, ...attended(step, y, x), ...patches.map((patch) => card(patch, step, k, patches[0].weight)));
}

function card(patch, step, k, heaviest) {
  const made = document.createElement("li"), { image, id, weight } = patch;
  Object.assign(made.dataset, { image: id, y: patch.y, x: patch.x, weight });
  made.append(text("p", `${patch.rank + 1}. row ${patch.y}, col. ${patch.x}`));
  if (image < view.pictured) {
    made.append(named(windowOf(pictureOf(image), patch.y, patch.x, k), `patch ${patch.rank + 1}, of ${nameOf(image)}`),
      named(boxed(pictureOf(image), patch.y, patch.x, k), `${nameOf(image)}, the patch boxed`));
  } else {
    made.append(text("span", "no picture on this page", "unpictured"));
  }
  made.append(text("strong", percent(weight), "weight"), bar(weight / heaviest), marker(image, [chip(step, image), ` ${nameOf(image)}`]));
  if (labelOf(patch)) made.append(text("p", labelOf(patch), "label"));
  return made;
}

function attended(step, y, x) {                      // where a machine with attention looks from the pixel
  if (!A) return [];
  const others = attentionAt(step, y, x), most = Math.max(...others.map((other) => other.weight)), made = document.createElement("li");
  const canvas = canvasOf(W, H), { context, scale } = show(canvas, base(`x0 ${step} ${state.without}`), 256);
  context.fillStyle = "#d55e00";
  for (const other of others) {
    context.globalAlpha = most ? 0.85 * other.weight / most : 0;
    context.fillRect(other.x * scale, other.y * scale, scale, scale);
  }
  context.globalAlpha = 1;
  box(context, x * scale, y * scale, scale, scale, 2);
  const strength = view.strength[step], sum = others.reduce((total, other) => total + other.weight, 0);
  made.id = "attention";
  made.append(text("p", "Attends to"), named(canvas, "pixels that this one attends to"),
    text("p", `${others.length} of ${PIXELS - 1} pixels, ${percent(sum)} of the attention` + (strength === null ? ""
      : strength === 0 ? "; at this step λ = 0: it shares no evidence" : `; λ = ${number(strength)}`)));
  return [made];
}
