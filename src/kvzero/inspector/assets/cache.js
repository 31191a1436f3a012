// The cache: which slots of the arena the chosen node's prediction reads, or what the pools hold and have done.
function showCache(state) {
  bodyOf("cache").replaceChildren(...(has("block_table") ? showSlots(state) : showPools(state)));
}

// What every slot holds, by the block tables of all nodes: of each, the last two are its own action and latent.
function nameSlots(step) {
  const context = arrays.block_table.shape[2], held = new Map();
  const root = rowOf("block_table", step, 0), last = numberOf("num_tokens", step) - 1;
  root.forEach((slot, place) => {
    const token = last - (context - 1) + place;
    if (slot >= 0) held.set(slot, token % 2 ? `a${(token - 1) / 2}` : `z${token / 2}`);
  });
  for (let node = 1; node < numNodes; node++) {
    const row = rowOf("block_table", step, node);
    held.set(row[context - 2], `a→${node}`);
    held.set(row[context - 1], `z→${node}`);
  }
  return held;
}

function showSlots({ step, node }) {
  const row = rowOf("block_table", step, node), context = row.length, held = nameSlots(step);
  const own = new Set(node ? row.subarray(context - 2) : row.subarray(context - 1)), read = new Set(row);
  const slots = Array.from({ length: facts.num_slots }, (_, slot) => {
    const use = own.has(slot) ? "own" : read.has(slot) && "read";
    const marks = [slot < context && "root", use, !held.has(slot) && "empty"];
    return html("span", {
      class: ["slot", ...marks].filter(Boolean).join(" "),
      "data-slot": slot,
      title: `slot ${slot}: ${held.get(slot) || "nothing"}`,
    });
  });
  const listed = Array.from(row).filter((slot) => slot >= 0);
  const list = listed.map((slot) =>
    html("span", { class: own.has(slot) ? "own" : "", "data-slot": slot }, `${slot} ${held.get(slot)}`));
  return [
    html("p", {}, `node ${node} reads ${listed.length} of ${facts.num_slots} slots, oldest first:`),
    html("div", { class: "row", id: "row" }, ...list),
    html("div", { class: "slots", id: "slots" }, ...slots),
    legend(["a", "read"], ["b", "its own"]),
    html("p", { class: "soft" }, "z: latent, a: action; a number alone is a step of the game, →n belongs to node " +
      `n. Dashed: the ring of the ${context} newest tokens of the game.`),
  ];
}

// What each pool counts now, and by how much that changed since the step before.
function readPools(step) {
  const now = rowOf("figures", step), before = step ? rowOf("figures", step - 1) : now.map(() => 0);
  const pools = new Map();
  facts.figures.forEach((name, place) => {
    const [pool, figure] = name.split("/");
    if (!pools.has(pool)) pools.set(pool, new Map());
    pools.get(pool).set(figure, { now: now[place], change: now[place] - before[place] });
  });
  return pools;
}

function showPools({ step }) {
  const pools = [...readPools(step)];
  if (!pools.length) return [html("p", { class: "soft" }, `the store ${facts.store} counts nothing in this run`)];
  return pools.flatMap(([pool, figures]) => [...drawFill(pool, figures), drawFigures(pool, figures)]);
}

function drawFill(pool, figures) {
  const size = figures.get("size"), room = figures.get("pool_size");
  if (!size || !room || !room.now) return [html("p", {}, html("strong", {}, pool))];
  return [
    html("p", {}, html("strong", {}, pool), ` holds ${format(size.now)} of ${format(room.now)}`),
    svg("svg", { width: "100%", height: 8 },
      svg("rect", { width: "100%", height: 8, fill: "none", class: "axis" }),
      svg("rect", { class: "bar", height: 8, width: `${(100 * size.now) / room.now}%` })),
  ];
}

function drawFigures(pool, figures) {
  const sign = (change) => (change ? `${change > 0 ? "+" : ""}${format(change)}` : "");
  const rows = [...figures].map(([name, { now, change }]) => html("tr", {}, html("th", {}, name),
    cell(now, `${pool}/${name}`), html("td", { class: "soft" }, sign(change))));
  const heads = ["so far", "since last step"].map((text) => html("th", { class: "number" }, text));
  return html("table", {}, html("tr", {}, html("th"), ...heads), ...rows);
}
