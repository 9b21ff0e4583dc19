// Pages of a start that failed: put the reason, which the hub keeps, where the hub's page has none.

import { UserApi } from "./hub.js";
import { failureReason } from "./words.js";

const reason = document.getElementById("spawn-reason");
const { baseUrl } = reason.dataset;

/** NAME in /hub/spawn/NAME and /hub/spawn-pending/NAME: an administrator may start somebody else's server. */
function userOfThisPage() {
  const [page, name] = location.pathname.slice(baseUrl.length).split("/");
  return ["spawn", "spawn-pending"].includes(page) ? name || encodeURIComponent(window.jhdata.user) : null;
}

const user = userOfThisPage();
const event = user && (await new UserApi(`${baseUrl}api/users/${user}`).lastFailure().catch(() => null));
if (event) {
  reason.textContent = failureReason(event);
  reason.hidden = false;
  document.querySelector(".p2m-error-code")?.remove();
  document.getElementById("error-message")?.remove();
  const title = document.getElementById("error-title");
  if (title) title.textContent = "Blender did not start";
}
