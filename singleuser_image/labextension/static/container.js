// What JupyterLab loads: a module federation container (https://webpack.js.org/concepts/module-federation/), written by hand,
// because an extension of a few hundred lines needs no bundler. JupyterLab calls `init` with the modules that it shares and
// then `get` for the extension, which takes from them what it needs, and for its style.
"use strict";
(() => {
  const here = document.currentScript.src;
  let shared;

  /** The module that JupyterLab shares under a name. There is one version of each that an extension may use. */
  async function load(name) {
    const versions = Object.values(shared[name] ?? {});
    const chosen = versions.find((version) => version.loaded) ?? versions[0];
    if (!chosen) {
      throw new Error(`JupyterLab shares no ${name}`);
    }
    return (await chosen.get())();
  }

  const container = {
    init(scope) {
      shared = scope;
    },
    async get(name) {
      if (name === "./style") {
        const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("style.css", here) });
        document.head.append(link);
        return () => ({});
      }
      const { plugins } = await import(new URL("plugins.js", here));
      const made = await plugins(load, new URL(".", here));
      return () => ({ __esModule: true, default: made });
    },
  };
  (window._JUPYTERLAB ??= {})["p2m-blender"] = container;
})();
