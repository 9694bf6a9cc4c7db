// An editor of straw: loads the extension with stand-ins for `vscode` and its client, and prints what it did.
const Module = require("module");
const said = [];
const [folder, has] = process.argv.slice(2);
const watcher = { dispose() {} };
const stand = {
  vscode: {
    workspace: {
      getConfiguration: () => ({ get: (key) => ({ command: "/venv/cospace", arguments: ["lsp"] })[key] }),
      createFileSystemWatcher: (pattern) => (said.push(["watch", pattern]), watcher),
      onDidChangeConfiguration: (f) => (said.push(["listen"]), watcher),
    },
    window: {
      showWarningMessage: (text) => said.push(["warn", text]),
      showErrorMessage: (text) => said.push(["error", text]),
    },
    commands: { registerCommand: (name, f) => (said.push(["command", name]), watcher) },
  },
  "vscode-languageclient/node": {
    TransportKind: { stdio: 0 },
    LanguageClient: class {
      constructor(id, name, server, options) {
        said.push(["client", server.run, options.documentSelector]);
      }
      async start() {
        said.push(["start"]);
        if (has === "fails") throw new Error("no such file");
      }
      async stop() {
        said.push(["stop"]);
      }
    },
  },
};
const load = Module._load;
Module._load = function (name, ...rest) {
  if (name === "vscode-languageclient/node" && has === "missing") throw new Error("not found");
  return stand[name] || load.call(this, name, ...rest);
};
const extension = require(require("path").join(folder, "extension.js"));
extension
  .activate({ subscriptions: [], extensionPath: folder })
  .then(() => extension.deactivate())
  .then(() => console.log(JSON.stringify(said)));
