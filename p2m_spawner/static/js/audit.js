// The search in the audit of tool calls, on the administrators' page.

import { Gateway, signedOut } from "./gateway.js";

const part = (id) => document.getElementById(id);
const gateway = new Gateway(part("sessions").dataset);

function row(call) {
  const element = document.createElement("tr");
  const client = call.program ? `${call.program} (${call.client})` : call.client;
  const cells = [
    ["Time", new Date(call.time).toLocaleString()],
    ["User", call.user],
    ["Tool", call.tool],
    ["Outcome", call.outcome],
    ["Duration", `${call.duration_s.toFixed(2)} s`],
    ["May", call.mode],
    ["Client", client],
  ];
  for (const [label, text] of cells) {
    const cell = document.createElement("td");
    cell.dataset.label = label;
    cell.textContent = text;
    element.append(cell);
  }
  element.title = call.arguments ?? "";
  element.dataset.state = call.outcome === "ok" ? "ready" : "failed";
  return element;
}

part("audit-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const wanted = { user: part("audit-user").value.trim(), tool: part("audit-tool").value.trim(), outcome: part("audit-outcome").value };
  const query = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value));
  try {
    const { calls, limit } = await gateway.get("audit", query);
    part("audit-rows").replaceChildren(...calls.map(row));
    part("audit-table").hidden = calls.length === 0;
    const more = calls.length === limit ? ` The latest ${limit} are shown.` : "";
    part("audit-said").textContent = calls.length ? `${calls.length} calls.${more}` : "No calls like this are on record.";
  } catch (problem) {
    if (signedOut(problem)) return location.reload();
    part("audit-said").textContent = problem.message;
  }
});
