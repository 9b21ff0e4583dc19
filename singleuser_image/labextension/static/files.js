// .blend files: their icon, and that opening one opens it in the user's Blender.

import { SHOW_DESKTOP } from "./desktop.js";

const FACTORY = "Blender";
const NOT_READ = "p2m-not-read";
const READ_MS = 20_000; // time to read where unsaved work went

export function filesPlugin({ apputils, coreutils, docregistry, lumino, services }, { icon }) {
  /** Ask the server to open a file; answers with what it says, throws an error with a sentence. */
  async function open(path) {
    const settings = services.ServerConnection.makeSettings();
    const url = coreutils.URLExt.join(settings.baseUrl, "p2m/open-in-blender");
    const response = await services.ServerConnection.makeRequest(
      url,
      { method: "POST", body: JSON.stringify({ path }) },
      settings,
    );
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      throw new Error(answer.message || `The server answered with ${response.status} ${response.statusText}.`);
    }
    return answer;
  }

  /** The page of a file while it is being opened, and where that failed. */
  class OpeningPage extends lumino.Widget {
    constructor(name, work) {
      super();
      this.addClass("p2m-opening");
      this._heading = document.createElement("h2");
      this._words = document.createElement("p");
      this._again = document.createElement("button");
      this._again.className = "jp-mod-styled jp-mod-accept";
      this._again.textContent = "Try again";
      this._again.addEventListener("click", () => this.run());
      this.node.append(icon.element({ className: "p2m-opening-icon" }), this._heading, this._words, this._again);
      this.node.setAttribute("role", "status");
      this._name = name;
      this._work = work;
    }

    async run() {
      this.say(`Opening ${this._name} in Blender…`);
      try {
        await this._work();
      } catch (error) {
        this.say(`${this._name} was not opened`, [error.message], true);
      }
    }

    say(heading, sentences = [], again = false) {
      if (!this.isDisposed) {
        this._heading.textContent = heading;
        this._words.textContent = sentences.join(" ");
        this._again.hidden = !again;
      }
    }
  }

  class Factory extends docregistry.ABCWidgetFactory {
    constructor(options, commands) {
      super(options);
      this._commands = commands;
    }

    createNewWidget(context) {
      const name = coreutils.PathExt.basename(context.localPath);
      const content = new OpeningPage(name, async () => {
        const answer = await open(context.localPath);
        if (!this._commands.hasCommand(SHOW_DESKTOP)) {
          content.say(answer.message, [...answer.notes, "This server has no desktop; notebooks and agents see it."]);
          return;
        }
        apputils.Notification.success(answer.message, { autoClose: 5000 });
        for (const note of answer.notes) {
          apputils.Notification.info(note, { autoClose: READ_MS });
        }
        await this._commands.execute(SHOW_DESKTOP);
        widget.dispose(); // the desktop is the page of every file
      });
      const widget = new docregistry.DocumentWidget({ content, context });
      widget.title.icon = icon;
      widget.toolbar.hide();
      content.run();
      return widget;
    }
  }

  return {
    id: "p2m-blender:files",
    description: "Opens .blend files in the user's Blender.",
    autoStart: true,
    activate(app) {
      app.docRegistry.addFileType({
        name: "blend",
        displayName: "Blender File",
        extensions: [".blend"],
        mimeTypes: ["application/x-blender"],
        contentType: "file",
        fileFormat: "base64",
        icon,
      });
      // JupyterLab reads a file before it shows it, and makes a copy of each that it may write. Neither is for scenes
      // of a gigabyte: Blender reads and writes them.
      const drive = app.serviceManager.contents.defaultDrive;
      drive.contentProviderRegistry.register(NOT_READ, {
        async get(path) {
          const model = await drive.get(path, { content: false });
          return { ...model, content: null, writable: false };
        },
        async save(path) {
          throw new Error(`${path} is written by Blender only`);
        },
      });
      app.docRegistry.addWidgetFactory(
        new Factory(
          {
            name: FACTORY,
            fileTypes: ["blend"],
            defaultFor: ["blend"],
            modelName: "base64",
            readOnly: true,
            contentProviderId: NOT_READ,
          },
          app.commands,
        ),
      );
    },
  };
}
