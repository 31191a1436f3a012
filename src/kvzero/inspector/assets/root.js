// The root of the step's search: prior, share of visits, improved policy and Q of each action as bars.
const MOST_ROWS = 24, MOST_TALL_ROWS = 8;

function showRoot({ step }) {
  const priors = rowOf("root_priors", step), visits = rowOf("visit_counts", step), policy = rowOf("policy", step);
  const q = rowOf("action_values", step), legal = rowOf("legal", step), chosen = numberOf("chosen", step);
  const total = facts.num_simulations, [low, high] = range(q.filter((_, action) => legal[action]));
  const shares = [priors, Array.from(visits, (count) => count / total), policy];
  const most = Math.max(...shares.map((numbers) => Math.max(...numbers)), 1e-9);
  const byVisits = Array.from(visits.keys()).sort((one, other) => visits[other] - visits[one] || one - other);
  const shown = byVisits.slice(0, MOST_ROWS).sort((one, other) => one - other);
  const height = shown.length > MOST_TALL_ROWS ? 3 : 5;
  const bar = (kind, place, width) =>
    svg("rect", { class: `bar ${kind}`, x: 0, y: 1 + place * (height + 1), height, width });
  const rows = shown.map((action) => {
    const marks = `${action === chosen ? "chosen" : ""} ${legal[action] ? "" : "illegal"}`;
    const bars = ["a", "b", "c"].map((kind, place) => bar(kind, place, 60 * (shares[place][action] / most)));
    const share = Math.min(Math.max((q[action] - low) / (high - low), 0), 1); // an illegal action has the root's value
    bars.push(bar("d", 3, 2 + 58 * share));
    return html("tr", { class: marks, "data-action": action }, html("th", {}, nameRootAction(step, action)),
      html("td", {}, svg("svg", { width: 62, height: 4 * (height + 1) + 1 }, ...bars)),
      cell(priors[action], "prior"), cell(visits[action], "visits"), cell(policy[action], "policy"),
      cell(q[action], "q"));
  });
  const head = html("tr", {}, html("th", {}, "action"), html("th"),
    ...["prior", "visits", "policy", "Q"].map((name) => html("th", { class: "number" }, name)));
  const hidden = numActions - shown.length;
  bodyOf("root").replaceChildren(
    html("table", {}, head, ...rows),
    ...(hidden ? [html("p", { class: "soft" }, `${hidden} actions with fewer visits are not shown`)] : []),
    legend(["a", "prior"], ["b", "visits"], ["c", "improved policy"], ["d", "Q"], ["mark", "played"]));
}
