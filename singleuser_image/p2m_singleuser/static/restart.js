// Restarting Blender: the way out when it hangs.

const QUESTION =
  "Restart Blender? It saves the session first if it still can. What it is working on now is lost.";

/**
 * Join the buttons to `p2m/restart-blender`.
 *
 * `say(message, detail)` hears how it goes; `done(ok)` is called once Blender is back or the restart has failed.
 */
export function joinRestart({ buttons, url, say, done }) {
  const token = document.querySelector('meta[name="p2m-xsrf"]').content;

  async function restart() {
    if (!confirm(QUESTION)) {
      return;
    }
    const enable = (enabled) => buttons.forEach((button) => (button.disabled = !enabled));
    enable(false);
    say("Blender is restarting…", "");
    let ok = false;
    try {
      const response = await fetch(url, { method: "POST", headers: { "X-XSRFToken": token } });
      ok = response.ok;
      if (!ok) {
        const answer = await response.json().catch(() => ({}));
        say("Blender was not restarted", answer.message ?? "Load this page again and try once more.");
      }
    } catch {
      say("Blender was not restarted", "The network connection was lost.");
    } finally {
      enable(true);
      done(ok);
    }
  }

  buttons.forEach((button) => button.addEventListener("click", restart));
}
