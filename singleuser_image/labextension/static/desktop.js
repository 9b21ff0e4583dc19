// Blender's desktop in a tab of JupyterLab, for beside a notebook.

export const SHOW_DESKTOP = "p2m:show-desktop";

// All that the page does; its link to the hub's home page leads the whole window there.
const MAY = [
  "allow-same-origin",
  "allow-scripts",
  "allow-popups",
  "allow-downloads",
  "allow-top-navigation-by-user-activation",
];

export function desktopPlugin({ application, apputils, coreutils, launcher, ui }, { icon, iconUrl }) {
  function makePanel() {
    const content = new ui.IFrame({ sandbox: MAY });
    content.url = coreutils.URLExt.join(coreutils.PageConfig.getBaseUrl(), "blender/");
    const frame = content.node.querySelector("iframe");
    frame.title = "Blender";
    frame.allow = "clipboard-read; clipboard-write; fullscreen";
    const panel = new apputils.MainAreaWidget({ content });
    panel.id = "p2m-desktop";
    panel.toolbar.hide();
    panel.title.label = "Blender";
    panel.title.caption = "Blender's desktop";
    panel.title.icon = icon;
    panel.title.closable = true;
    return panel;
  }

  return {
    id: "p2m-blender:desktop",
    description: "Blender's desktop in a tab.",
    autoStart: true,
    optional: [launcher.ILauncher, apputils.ICommandPalette, application.ILayoutRestorer],
    activate(app, tiles, palette, restorer) {
      const tracker = new apputils.WidgetTracker({ namespace: "p2m-desktop" });
      let panel = null;
      app.commands.addCommand(SHOW_DESKTOP, {
        label: "Blender in a Tab",
        caption: "Blender's desktop in a tab of JupyterLab, for beside a notebook",
        icon,
        describedBy: { args: { type: "object", properties: {} } },
        async execute() {
          if (!panel || panel.isDisposed) {
            panel = makePanel();
          }
          if (!panel.isAttached) {
            app.shell.add(panel, "main", { type: "Blender" });
          }
          if (!tracker.has(panel)) {
            await tracker.add(panel);
          }
          app.shell.activateById(panel.id);
        },
      });
      palette?.addItem({ command: SHOW_DESKTOP, category: "Blender" });
      tiles?.add({ command: SHOW_DESKTOP, category: "Notebook", kernelIconUrl: iconUrl });
      restorer?.restore(tracker, { command: SHOW_DESKTOP, name: () => "p2m-desktop" });
    },
  };
}
