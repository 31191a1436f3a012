// The search tree: laid out from left to right, to zoom, drag, fold and click.
const LEAST_GAP = { x: 56, y: 13 }, MOST_GAP = { x: 130, y: 40 };
const ROOM_FOR_VALUES = 27; // between two leaves

function childrenOf(step) {
  const parents = rowOf("parents", step), actions = rowOf("actions", step);
  const children = Array.from({ length: numNodes }, () => []);
  for (let node = 1; node < numNodes; node++) children[parents[node]].push(node);
  for (const below of children) below.sort((one, other) => actions[one] - actions[other]);
  return children;
}

function countBelow(children, node) {
  return children[node].reduce((sum, child) => sum + 1 + countBelow(children, child), 0);
}

// Places of the nodes that are seen: leaves one below the other, a parent in the middle of its children.
function layOut(children, folded) {
  const places = new Map();
  let numLeaves = 0, deepest = 0;
  const place = (node, depth) => {
    const below = folded.has(node) ? [] : children[node];
    below.forEach((child) => place(child, depth + 1));
    const row = below.length ? (places.get(below[0]).row + places.get(below.at(-1)).row) / 2 : numLeaves++;
    deepest = Math.max(deepest, depth);
    places.set(node, { row, depth, isLeaf: !below.length });
  };
  place(0, 0);
  const box = find("nodes").getBoundingClientRect();
  const gap = {
    x: Math.min(Math.max((box.width - 110) / Math.max(deepest, 1), LEAST_GAP.x), MOST_GAP.x),
    y: Math.min(Math.max((box.height - 40) / numLeaves, LEAST_GAP.y), MOST_GAP.y),
  };
  for (const at of places.values()) Object.assign(at, { x: gap.x * at.depth, y: gap.y * at.row });
  return { places, gap, size: { width: gap.x * deepest + 120, height: gap.y * (numLeaves - 1) + 40 } };
}

// The view that shows a whole tree in the middle of its box.
function fit({ width, height }) {
  const box = find("nodes").getBoundingClientRect(), k = Math.min(1, box.width / width, box.height / height);
  const middle = (room, size) => Math.max(0, (room - size * k) / 2);
  return { x: 24 * k + middle(box.width, width), y: 20 * k + middle(box.height, height), k };
}

function drawNode(step, node, { places, gap }, { children, folded, chosenNode, span }) {
  const { x, y, isLeaf } = places.get(node);
  const visits = numberOf("visits", step, node), value = numberOf("values", step, node);
  const parent = node ? places.get(numberOf("parents", step, node)) : null;
  const isPrincipal = numberOf("is_principal", step, node) === 1;
  const radius = 3 + 6 * Math.sqrt(visits / (facts.num_simulations + 1));
  const hidden = folded.has(node) ? countBelow(children, node) : 0;
  const marks = ["node", isPrincipal && "principal", node === chosenNode && "chosen"].filter(Boolean).join(" ");
  const width = 0.8 + 4 * Math.sqrt(visits / (facts.num_simulations + 1));
  const bend = gap.x / 2;
  const curve = parent && `M${parent.x} ${parent.y}C${parent.x + bend} ${parent.y} ${x - bend} ${y} ${x} ${y}`;
  const edge = parent && svg("g", { class: isPrincipal ? "principal" : "" },
    svg("path", { class: "edge", "stroke-width": width, d: curve }));
  const isTight = gap.y < ROOM_FOR_VALUES;
  const share = (value - span[0]) / (span[1] - span[0]);
  return [edge, svg("g", { class: marks, "data-node": node, transform: `translate(${x} ${y})` },
    svg("title", {}, `node ${node}: ${nameEdge(step, node)}, ${visits} visits, value ${format(value)}`),
    svg("circle", { r: radius, fill: paint(share) }),
    svg("text", { x: radius + 3, y: isTight && isLeaf ? 4 : -6 }, `${nameEdge(step, node)} · ${visits}`),
    ...(isTight ? [] : [svg("text", { x: radius + 3, y: 14, class: "soft" }, format(value))]),
    ...(hidden ? [svg("text", { x: -radius - 2, y: -8, "text-anchor": "end", class: "folded" }, `+${hidden}`)] : []))];
}

function showTree(state) {
  const { step } = state, children = childrenOf(step);
  const laidOut = layOut(children, state.folded);
  if (!state.view) state.view = fit(laidOut.size);
  const span = range(rowOf("values", step));
  const drawn = [...laidOut.places.keys()].map((node) =>
    drawNode(step, node, laidOut, { children, folded: state.folded, chosenNode: state.node, span }));
  const { x, y, k } = state.view;
  const layer = svg("g", { id: "layer", transform: `translate(${x} ${y}) scale(${k})` },
    ...drawn.map(([edge]) => edge).filter(Boolean), ...drawn.map(([, node]) => node));
  find("nodes").replaceChildren(layer);
  find("legend").textContent =
    `value: dark ${format(span[0])}, bright ${format(span[1])} · width: visits · frame: principal line`;
}

function moveView(state) {
  const { x, y, k } = state.view;
  find("layer").setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
}

function zoom(state, factor, at) {
  const box = find("nodes").getBoundingClientRect(), view = state.view;
  const [px, py] = at ? [at.x - box.left, at.y - box.top] : [box.width / 2, box.height / 2];
  const k = Math.min(8, Math.max(0.05, view.k * factor));
  state.view = { x: px - ((px - view.x) * k) / view.k, y: py - ((py - view.y) * k) / view.k, k };
  moveView(state);
}
