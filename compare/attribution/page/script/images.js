// The training images: who wins pixels of the step, and the sample without each of some.

const LISTED = 60;                                   // images of the list; the others win a pixel or two each
const MOVED = 0.1;                                   // of a range of 2: a change that is seen

function showImages() {
  const { step } = state, body = document.querySelector("#images tbody");
  const list = winners(step), rest = list.slice(LISTED);
  body.replaceChildren(...list.slice(0, LISTED).map(({ image, id, won, mass, ...labels }) => {
    const row = document.createElement("tr");
    Object.assign(row.dataset, { image: id, won, mass });
    row.className = state.image === image ? "chosen" : "";
    const picture = image < view.pictured ? [thumbnail(pictureOf(image))] : [];
    const name = text("td", "", "name");
    name.append(nameOf(image), ...(labelOf(labels) ? [document.createElement("br"), labelOf(labels)] : []));
    const mark = document.createElement("td"), button = marker(image, [chip(step, image), ...picture]);
    button.className = "mark";
    button.setAttribute("aria-label", `Mark the pixels that ${nameOf(image)} wins`);
    mark.append(button);
    const won_ = text("td", percent(won), "number");
    won_.append(bar(won / list[0].won));
    row.append(mark, name, won_, text("td", percent(mass), "number"));
    return row;
  }));
  if (rest.length) {
    const row = body.insertRow(), cell = Object.assign(row.insertCell(), { colSpan: 4 });
    cell.textContent = `and ${rest.length} more, ${percent(rest.reduce((total, one) => total + one.won, 0))} of the pixels`;
  }
  element("marked").textContent = state.image === null ? "" : marked(step);
}

function thumbnail(picture) {                            // twice as large: sharp at 40 pixels
  const canvas = canvasOf(W, H);
  show(canvas, picture, 80);
  return canvas;
}

function marked(step) {
  const won = winners(step).find(({ image }) => image === state.image)?.won ?? 0;
  return `Marked: ${nameOf(state.image)} wins ${plural(Math.round(won * PIXELS), "pixel")} of this step.`;
}

function changeOf(index) {                           // of each pixel, as the dataset has it
  return data.change.subarray(index * PIXELS, (index + 1) * PIXELS);
}

const mostChange = remembered(() => Math.max(MOVED, data.change.reduce((a, b) => Math.max(a, b), 0)));

function buildWithout() {
  element("without-facts").textContent = view.withoutNote;
  view.without.forEach(({ image, total }, index) => {
    const card = document.createElement("article"), pictures = text("div", "", "triple"), change = changeOf(index);
    const moved = change.filter((value) => value > MOVED).length / PIXELS;
    const pair = (label, canvas) => {
      const figure = document.createElement("figure");
      figure.append(text("figcaption", label), named(canvas, `${label}, ${nameOf(image)}`));
      return figure;
    };
    pictures.append(pair("left out", image < view.pictured ? pictureOf(image) : canvasOf(W, H)),
      pair("sample without", imageAt(data.without, index * C * PIXELS)),
      pair("change", painted((y, x) => ramp(change[y * W + x] / mostChange()))));
    const button = text("button", "Show large");
    Object.assign(button, { type: "button", onclick: () => {
      choose({ picture: "without", without: index, image });
      element("stage").scrollIntoView({ block: "start" });
    } });
    card.append(pictures, text("p", `Without ${nameOf(image)}${labelOf(view.images[image]) ? ` (${labelOf(view.images[image])})` : ""}: `
      + (total === 0 ? "the sample is the same." : `the sample moves by ${number(total)} (root mean square); ${percent(moved)} of its `
        + `pixels move by more than ${MOVED}.`)), button);
    element("redrawn").append(card);
  });
  if (view.without.length) element("redrawn").after(scaleOf(0, mostChange(), "change of a pixel"));
}

function scaleOf(low, high, what) {
  const made = text("p", "", "scale");
  made.append(number(low), text("i", ""), `${number(high)} ${what}`);
  return made;
}
