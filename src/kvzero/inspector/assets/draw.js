// How things are drawn: elements, numbers, scales, lines.
const SVG = "http://www.w3.org/2000/svg";

function make(space, tag, attributes, children) {
  const element = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const html = (tag, attributes = {}, ...children) => make(null, tag, attributes, children);
const svg = (tag, attributes = {}, ...children) => make(SVG, tag, attributes, children);
const find = (id) => document.getElementById(id);
const bodyOf = (id) => find(id).querySelector(".body");

// Four digits for people; the exact number stays with whatever shows it.
function format(number) {
  if (Number.isNaN(number)) return "–";
  if (Number.isInteger(number)) return String(number);
  const size = Math.abs(number);
  return size >= 1e5 || size < 1e-3 ? number.toExponential(2) : String(Number(number.toPrecision(4)));
}

const cell = (number, field) =>
  html("td", { title: String(number), "data-exact": String(number), "data-field": field || null }, format(number));

function range(numbers) {
  let low = Infinity, high = -Infinity;
  for (const number of numbers) {
    if (number < low) low = number;
    if (number > high) high = number;
  }
  return low > high ? [0, 1] : low === high ? [low - 0.5, high + 0.5] : [low, high];
}

const scale = ([low, high], from, to) => (number) => from + ((number - low) / (high - low)) * (to - from);

// A path through those points whose height is a number.
function pathOf(numbers, x, y) {
  let path = "", isDown = false;
  numbers.forEach((number, place) => {
    if (Number.isNaN(number)) {
      isDown = false;
      return;
    }
    path += `${isDown ? "L" : "M"}${x(place).toFixed(1)} ${y(number).toFixed(1)}`;
    isDown = true;
  });
  return path;
}

function parseColour(text) {
  return [1, 3, 5].map((place) => parseInt(text.slice(place, place + 2), 16));
}

// 256 colours between --low and --high, of the theme of now: from blue to yellow, which brightness alone tells apart.
let shades = [];

function mixShades() {
  const style = getComputedStyle(document.documentElement);
  const [low, high] = ["--low", "--high"].map((name) => parseColour(style.getPropertyValue(name).trim()));
  shades = Array.from({ length: 256 }, (_, shade) =>
    low.map((from, part) => Math.round(from + (shade / 255) * (high[part] - from))));
}

const paint = (share) => `rgb(${shades[Math.round(255 * share)].join(",")})`;

function legend(...entries) {
  const parts = entries.flatMap(([colour, text]) => [html("i", { style: `background: var(--${colour})` }), text]);
  return html("p", { class: "soft legend" }, ...parts);
}
