// The chosen node in numbers, exactly those of the search's record.
function showNode({ step, node }) {
  const fields = [
    ["prior", numberOf("priors", step, node)],
    ["visits", numberOf("visits", step, node)],
    ["reward", numberOf("rewards", step, node)],
    ["value", numberOf("values", step, node)],
    ["network", numberOf("predicted_values", step, node)],
  ];
  const titles = { value: "value (mean return)", network: "value (network's own)" };
  const parent = numberOf("parents", step, node);
  const below = childrenOf(step)[node];
  const rows = below.map((child) => html("tr", {}, html("th", {}, nameEdge(step, child)),
    ...["priors", "visits", "rewards", "values"].map((name) => cell(numberOf(name, step, child)))));
  const head = html("tr", {}, html("th", {}, "child"),
    ...["prior", "visits", "reward", "value"].map((name) => html("th", { class: "number" }, name)));
  bodyOf("node").replaceChildren(
    html("p", { id: "path", "data-node": node }, describePath(step, node)),
    html("table", { id: "numbers" },
      html("tr", {}, html("th", {}, "action"), html("td", { "data-field": "action" }, nameEdge(step, node))),
      html("tr", {}, html("th", {}, "below"),
        html("td", { "data-field": "parent" }, parent < 0 ? "–" : `node ${parent}`)),
      ...fields.map(([name, number]) => html("tr", {}, html("th", {}, titles[name] || name), cell(number, name)))),
    ...(below.length ? [html("table", {}, head, ...rows)] : []),
    html("p", { class: "soft" }, `${numActions - below.length} actions were not tried here`));
}

function describePath(step, node) {
  const names = [];
  for (let at = node; at > 0; at = numberOf("parents", step, at)) names.unshift(nameEdge(step, at));
  return `node ${node}: ${["root", ...names].join(" → ")}`;
}
