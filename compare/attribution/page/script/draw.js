// Canvases: pictures, windows, patches, colour scales, and the map of sources.

const RAMP = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  return canvas;
}

function painted(colourAt) {                         // colourAt(y, x) -> [red, green, blue] -> a canvas, a pixel a pixel
  const canvas = canvasOf(W, H), context = canvas.getContext("2d"), picture = context.createImageData(W, H);
  for (let p = 0; p < PIXELS; p++) picture.data.set([...colourAt(Math.floor(p / W), p % W), 255], 4 * p);
  context.putImageData(picture, 0, 0);
  return canvas;
}

function imageAt(values, offset) {                   // (C, H, W) bytes
  return painted((y, x) => [0, 1, 2].map((c) => values[offset + ((C === 3 ? c : 0) * H + y) * W + x]));
}

function ramp(share) {
  const place = Math.min(1, Math.max(0, share)) * (RAMP.length - 1), low = Math.min(RAMP.length - 2, Math.floor(place));
  return RAMP[low].map((value, i) => Math.round(value + (place - low) * (RAMP[low + 1][i] - value)));
}

function show(canvas, picture, edge) {               // enlarged by a whole number; returns context and scale
  const scale = Math.max(1, Math.floor(edge / Math.max(H, W)));
  Object.assign(canvas, { width: W * scale, height: H * scale });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return { context, scale };
}

function box(context, x, y, width, height, thick) {  // black in white: seen on any ground
  for (const [colour, line] of [["#fff", thick + 2], ["#000", thick]]) {
    Object.assign(context, { strokeStyle: colour, lineWidth: line });
    context.strokeRect(x, y, width, height);
  }
}

function outline(context, y, x, k, scale) {          // the k x k window at a pixel, and the pixel; k = 0: the whole image
  const r = (k - 1) / 2;
  if (k > 0) {
    for (const dy of view.wraps ? [-H, 0, H] : [0]) {
      for (const dx of view.wraps ? [-W, 0, W] : [0]) {
        box(context, (x - r + dx) * scale, (y - r + dy) * scale, k * scale, k * scale, 1);
      }
    }
  }
  box(context, x * scale, y * scale, scale, scale, k === 1 ? 1 : 2);
}

const pictureOf = remembered((image) => {            // a training image out of the atlas
  const canvas = canvasOf(W, H), columns = view.atlasColumns;
  canvas.getContext("2d").drawImage(atlas, image % columns * W, Math.floor(image / columns) * H, W, H, 0, 0, W, H);
  return canvas;
});

function windowOf(picture, y, x, k) {                // the k x k window alone, enlarged; beyond the border: the ground
  const r = k ? (k - 1) / 2 : 0, rows = k || H, columns = k || W, scale = Math.max(1, Math.floor(256 / Math.max(rows, columns)));
  const canvas = canvasOf(columns * scale, rows * scale), context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  hatch(context, 0, 0, canvas.width, canvas.height, css("--line"), 12);
  for (const dy of view.wraps ? [-H, 0, H] : [0]) {
    for (const dx of view.wraps ? [-W, 0, W] : [0]) {
      context.drawImage(picture, ((k ? r - x : 0) + dx) * scale, ((k ? r - y : 0) + dy) * scale, W * scale, H * scale);
    }
  }
  box(context, (k ? r : x) * scale, (k ? r : y) * scale, scale, scale, 2);
  return canvas;
}

function hatch(context, x, y, width, height, colour, period) {  // lines x + y = (n + 1/2) period, none through a middle
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.beginPath();
  for (let sum = (Math.floor((x + y) / period) + 0.5) * period; sum < x + y + width + height + period; sum += period) {
    context.moveTo(sum - y + 1, y - 1);
    context.lineTo(sum - y - height - 1, y + height + 1);
  }
  Object.assign(context, { strokeStyle: colour, lineWidth: Math.max(1, period / 10) });
  context.stroke();
  context.restore();
}

const rgbOf = (hex) => [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16));

function colourOf(step, image) {                     // those that win most have a colour, the others greys
  const slot = slotOf(step, image);
  return rgbOf(slot >= 0 ? view.palette[slot] : view.greys[view.images[image].id % view.greys.length]);
}

function shaded(colour, weight, paper) {             // the paler the less weight
  const depth = 0.25 + 0.75 * Math.sqrt(Math.min(1, weight));
  return colour.map((value, i) => Math.round(depth * value + (1 - depth) * paper[i]));
}

function sourcesOf(step) {                           // the map of sources, a pixel a pixel
  const paper = rgbOf(css("--paper"));
  return painted((y, x) => {
    const at = pixelOf(step, y, x) * K;
    return shaded(colourOf(step, data.image[at]), data.weight[at], paper);
  });
}

function sourceMap(step, edge) {                     // the same, large: hatching, borders and letters
  const canvas = canvasOf(W, H), { context, scale } = show(canvas, sourcesOf(step), edge);
  const lines = css("--quiet") + "66", cells = [...Array(PIXELS).keys()].map((p) => [Math.floor(p / W), p % W]);
  for (const [y, x] of cells) {
    if (slotOf(step, winnerOf(step, y, x)) < 0) {
      hatch(context, x * scale, y * scale, scale, scale, lines, scale);
    }
  }
  context.fillStyle = css("--edge");
  for (const [y, x] of cells) {
    if (x + 1 < W) border(context, step, [y, x], [y, x + 1], (x + 1) * scale, y * scale, 0, scale);
    if (y + 1 < H) border(context, step, [y, x], [y + 1, x], x * scale, (y + 1) * scale, scale, 0);
  }
  letters(context, step, scale);
  return canvas;
}

function border(context, step, [y, x], [y1, x1], left, top, width, height) {  // bold: another image; thin: another place
  // of the same one, or two images without a colour
  const one = pixelOf(step, y, x) * K, other = pixelOf(step, y1, x1) * K, moved = data.image[one] !== data.image[other];
  const along = data.sourceY[one] - y === data.sourceY[other] - y1 && data.sourceX[one] - x === data.sourceX[other] - x1;
  if (!moved && along) return;
  const bold = moved && (slotOf(step, data.image[one]) >= 0 || slotOf(step, data.image[other]) >= 0), thick = bold ? 2 : 1;
  context.globalAlpha = bold ? 0.85 : moved ? 0.4 : 0.25;
  context.fillRect(left - thick / 2, top - thick / 2, width + thick, height + thick);
  context.globalAlpha = 1;
}

function letters(context, step, scale) {             // on the largest piece of each coloured image, if there is room
  const piece = new Int32Array(PIXELS).fill(-1), largest = new Map();
  for (let start = 0; start < PIXELS; start++) {
    if (piece[start] >= 0) continue;
    const image = winnerOf(step, Math.floor(start / W), start % W), found = [start];
    piece[start] = start;
    for (const p of found) {
      for (const q of [p % W ? p - 1 : -1, p % W < W - 1 ? p + 1 : -1, p - W, p + W]) {
        if (q >= 0 && q < PIXELS && piece[q] < 0 && winnerOf(step, Math.floor(q / W), q % W) === image) {
          piece[q] = start;
          found.push(q);
        }
      }
    }
    if (found.length > (largest.get(image)?.length ?? 0)) largest.set(image, found);
  }
  Object.assign(context, { textAlign: "center", textBaseline: "middle", lineWidth: 3, lineJoin: "round" });
  for (const [image, found] of largest) {
    const slot = slotOf(step, image);
    if (slot < 0 || found.length * scale * scale < 350) continue;
    const [y, x] = [found.reduce((s, p) => s + Math.floor(p / W), 0) / found.length, found.reduce((s, p) => s + p % W, 0) / found.length];
    const near = found.reduce((a, b) => ((Math.floor(a / W) - y) ** 2 + (a % W - x) ** 2 <= (Math.floor(b / W) - y) ** 2 + (b % W - x) ** 2 ? a : b));
    context.font = `700 ${Math.min(18, Math.max(11, scale))}px system-ui, sans-serif`;
    Object.assign(context, { strokeStyle: "#fff", fillStyle: "#000" });
    context.strokeText(LETTERS[slot], (near % W + 0.5) * scale, (Math.floor(near / W) + 0.5) * scale);
    context.fillText(LETTERS[slot], (near % W + 0.5) * scale, (Math.floor(near / W) + 0.5) * scale);
  }
}

function veil(context, step, image, scale) {         // leaves clear the pixels that an image wins
  context.fillStyle = css("--ground");
  const held = (y, x) => y >= 0 && x >= 0 && y < H && x < W && winnerOf(step, y, x) === image;
  for (let p = 0; p < PIXELS; p++) {
    const y = Math.floor(p / W), x = p % W;
    context.globalAlpha = 0.72;
    if (!held(y, x)) {
      context.fillRect(x * scale, y * scale, scale, scale);
      continue;
    }
    context.globalAlpha = 1;
    for (const [dy, dx, ...line] of [[-1, 0, 0, 0, scale, 2], [1, 0, 0, scale - 2, scale, 2], [0, -1, 0, 0, 2, scale], [0, 1, scale - 2, 0, 2, scale]]) {
      if (held(y + dy, x + dx)) continue;
      context.save();
      context.fillStyle = css("--edge");
      context.fillRect(x * scale + line[0], y * scale + line[1], line[2], line[3]);
      context.restore();
    }
  }
  context.globalAlpha = 1;
}
