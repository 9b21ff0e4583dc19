// Loaded before the modules: when one of them does not arrive (a network that changes), the page is loaded again.

addEventListener(
  "error",
  (event) => {
    if (event.target instanceof HTMLScriptElement) {
      document.getElementById("message").textContent = "Network connection lost";
      document.getElementById("detail").textContent = "Trying again in 3 s.";
      setTimeout(() => location.reload(), 3000);
    }
  },
  { capture: true },
);
