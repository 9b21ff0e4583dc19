// The extension's plugins, made of the modules that JupyterLab shares.

import { desktopPlugin } from "./desktop.js";
import { examplesPlugin } from "./examples.js";
import { filesPlugin } from "./files.js";

/**
 * @param load Returns a module that JupyterLab shares, by its name.
 * @param here Address of this folder.
 */
export async function plugins(load, here) {
  const names = {
    application: "@jupyterlab/application",
    apputils: "@jupyterlab/apputils",
    coreutils: "@jupyterlab/coreutils",
    docregistry: "@jupyterlab/docregistry",
    filebrowser: "@jupyterlab/filebrowser",
    launcher: "@jupyterlab/launcher",
    lumino: "@lumino/widgets",
    services: "@jupyterlab/services",
    ui: "@jupyterlab/ui-components",
  };
  const [drawing, ...modules] = await Promise.all([
    fetch(new URL("icon.svg", here)).then((answer) => answer.text()),
    ...Object.values(names).map(load),
  ]);
  const lab = Object.fromEntries(Object.keys(names).map((key, index) => [key, modules[index]]));
  const icon = new lab.ui.LabIcon({ name: "p2m:blender", svgstr: drawing });
  const options = { icon, iconUrl: String(new URL("icon.svg", here)) };
  const all = [examplesPlugin(lab)];
  // Without a window there is no desktop to show, and files still open.
  if (lab.coreutils.PageConfig.getOption("p2mDesktop") === "true") {
    all.push(desktopPlugin(lab, options));
  }
  all.push(filesPlugin(lab, options));
  return all;
}
