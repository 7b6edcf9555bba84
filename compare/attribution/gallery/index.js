"use strict";
// The index: pictures by row and sample, sorted by what is said of a row's samples.

const view = JSON.parse(document.getElementById("view").textContent);
const { height: H, width: W, samples, rows } = view;
const element = (id) => document.getElementById(id);
const WORDS = { r2: "r2", consistent: "consistent", clean: "clean", novel: "novel", distance: "distance to nearest" };
const BY = ["sample", ...Object.keys(WORDS).filter((name) => rows.some((row) => row[name])), ...(view.classes ? ["class"] : [])];

function option(value, text = value) {
  return Object.assign(document.createElement("option"), { value, textContent: text });
}

function valueAt(i) {                                // what the column is sorted by, and what stands below its number
  const by = element("by").value;
  return by === "sample" ? -i : by === "class" ? view.classes[i] : rows[element("of").value][by]?.[i] ?? null;
}

function order() {
  const falling = element("falling").checked ? -1 : 1, missing = (value) => value === null;
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) * -falling : (a - b) * falling);
  return samples.map((_, i) => i).sort((i, j) => {
    const [a, b] = [valueAt(i), valueAt(j)];
    return missing(a) - missing(b) || (missing(a) ? 0 : compare(a, b)) || i - j;
  });
}

function shownAs(value) {
  const by = element("by").value;
  if (by === "sample" || value === null) return "";
  return by === "class" ? value : ["r2", "distance"].includes(by) ? value.toFixed(2) : value ? "yes" : "no";
}

function picture(row, i) {
  const canvas = Object.assign(document.createElement("canvas"), { width: W, height: H });
  canvas.getContext("2d").drawImage(row.image, 0, i * H, W, H, 0, 0, W, H);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `sample ${samples[i]} of ${row.name}`);
  return canvas;
}

function show() {
  const columns = order(), table = element("grid"), head = document.createElement("thead"), body = document.createElement("tbody");
  const top = head.insertRow();
  top.append(Object.assign(document.createElement("th"), { textContent: "sample", scope: "col" }));
  for (const i of columns) {
    const cell = Object.assign(document.createElement("th"), { scope: "col" }), link = document.createElement("a");
    Object.assign(link, { href: view.files[i], textContent: samples[i] });
    link.setAttribute("aria-label", `Sample ${samples[i]}: what it is made of`);
    cell.append(link, Object.assign(document.createElement("small"), { textContent: shownAs(valueAt(i)) }));
    top.append(cell);
  }
  for (const row of rows) {
    const line = body.insertRow(), name = Object.assign(document.createElement("th"), { textContent: row.name, scope: "row" });
    name.title = row.name;
    line.className = row.name === view.machine || row.name === view.network ? "shown" : "";
    line.append(name, ...columns.map((i) => {
      const cell = document.createElement("td");
      cell.append(picture(row, i));
      return cell;
    }));
  }
  table.replaceChildren(head, body);
  element("of").disabled = ["sample", "class"].includes(element("by").value);
}

async function start() {
  document.documentElement.style.setProperty("--aspect", W / H);
  for (const row of rows) {
    row.image = Object.assign(new Image(), { src: row.pictures });
    await row.image.decode();
  }
  const total = view.bytes.reduce((a, b) => a + b, 0);
  element("about").textContent = `${samples.length} samples from the same noise, of ${rows.length} networks and closed forms. The pages `
    + `show what ${view.machine} makes of each, beside ${view.network}; r2 of a network is with that machine, of a machine with that `
    + `network. A page has ${Math.round(total / samples.length / 1000).toLocaleString("en")} kB on average, at most `
    + `${Math.round(Math.max(...view.bytes) / 1000).toLocaleString("en")} kB.`;
  element("command").textContent = view.command || "another program";
  element("by").append(...BY.map((name) => option(name, WORDS[name] ?? name)));
  element("of").append(...rows.map((row, i) => option(i, row.name)));
  element("of").value = Math.max(0, rows.findIndex((row) => row.name === view.machine));
  for (const id of ["by", "of", "falling"]) element(id).onchange = show;
  show();
  document.body.dataset.ready = Math.round(performance.now());
}

start();
