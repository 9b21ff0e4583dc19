// The example notebooks on the launcher.

const OPEN_EXAMPLE = "p2m:open-example";
const AFTER_NOTEBOOK = 10; // JupyterLab gives its section Notebook 0, Console 20

/** "examples/02 Parametric model.ipynb" → "Parametric model" */
const titleOf = (path) => path.replace(/^.*\//, "").replace(/^\d+\s+/, "").replace(/\.ipynb$/, "");

export function examplesPlugin({ coreutils, filebrowser, launcher, ui }) {
  return {
    id: "p2m-blender:examples",
    description: "The example notebooks on the launcher.",
    autoStart: true,
    requires: [launcher.ILauncher],
    optional: [filebrowser.IDefaultFileBrowser],
    activate(app, tiles, browser) {
      app.commands.addCommand(OPEN_EXAMPLE, {
        label: ({ path }) => (path ? titleOf(path) : "Open an Example"),
        caption: ({ path }) => path ?? "",
        icon: ui.notebookIcon,
        describedBy: { args: { type: "object", properties: { path: { type: "string" } }, required: ["path"] } },
        async execute({ path }) {
          await browser?.model.cd(`/${coreutils.PathExt.dirname(path)}`);
          return app.commands.execute("docmanager:open", { path });
        },
      });
      notebooks(app.serviceManager.contents).then((paths) => {
        for (const [rank, path] of paths.entries()) {
          tiles.add({ command: OPEN_EXAMPLE, args: { path }, category: "Examples", categoryRank: AFTER_NOTEBOOK, rank });
        }
      });
    },
  };

  /** Paths of the examples that the user still has. */
  async function notebooks(contents) {
    const folder = coreutils.PageConfig.getOption("p2mExamples");
    if (!folder) {
      return [];
    }
    try {
      const { content } = await contents.get(folder, { type: "directory", content: true });
      return content
        .filter(({ type }) => type === "notebook")
        .map(({ path }) => path)
        .sort();
    } catch {
      return []; // the user has removed the folder
    }
  }
}
