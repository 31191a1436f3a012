// What the page was given: facts of the game, and arrays whose first axis is the step.
const given = JSON.parse(document.getElementById("data").textContent);
const facts = given.facts;

const TYPES = { Int8Array, Uint8Array, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array };

function unpack({ type, shape, data }) {
  const text = atob(data);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  return { shape, numbers: new TYPES[type](bytes.buffer) };
}

const arrays = Object.fromEntries(Object.entries(given.arrays).map(([name, packed]) => [name, unpack(packed)]));
const has = (name) => name in arrays;

// The numbers of one step, or of one place within it.
function rowOf(name, ...places) {
  const { shape, numbers } = arrays[name];
  let first = 0, size = numbers.length;
  places.forEach((place, axis) => {
    size /= shape[axis];
    first += place * size;
  });
  return numbers.subarray(first, first + size);
}

const numberOf = (name, ...places) => rowOf(name, ...places)[0];

const numSteps = facts.num_steps;
const numActions = arrays.visit_counts.shape[1];
const numNodes = arrays.parents.shape[1];

function nameAction(action, vector) {
  if (!facts.is_continuous) return facts.action_names[action];
  return Array.from(vector, (number) => number.toFixed(2)).join(" ");
}

// The action that leads to a node.
function nameEdge(step, node) {
  if (node === 0) return "root";
  return nameAction(numberOf("actions", step, node), facts.is_continuous ? rowOf("vectors", step, node) : null);
}

const nameRootAction = (step, action) =>
  nameAction(action, facts.is_continuous ? rowOf("root_vectors", step, action) : null);
