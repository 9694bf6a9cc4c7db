// Starts `cospace lsp` for .cospace files and hands its answers to the editor. Everything else is declared in package.json.
"use strict";

const vscode = require("vscode");

let client;

function settings() {
  const own = vscode.workspace.getConfiguration("cospace");
  return { command: own.get("command") || "cospace", args: own.get("arguments") || ["lsp"] };
}

async function start(context) {
  let languageclient;
  try {
    languageclient = require("vscode-languageclient/node");
  } catch {
    vscode.window.showWarningMessage(
      "cospace: only highlighting, because `vscode-languageclient` is missing. " +
        `Run \`npm install --omit=dev\` in ${context.extensionPath} and reload the window.`
    );
    return;
  }
  const { LanguageClient, TransportKind } = languageclient;
  const { command, args } = settings();
  const run = { command, args, transport: TransportKind.stdio };
  client = new LanguageClient(
    "cospace",
    "cospace",
    { run, debug: run },
    {
      documentSelector: [{ language: "cospace" }],
      synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.cospace") },
    }
  );
  try {
    await client.start();
  } catch (reason) {
    client = undefined;
    vscode.window.showErrorMessage(
      `cospace: \`${command} ${args.join(" ")}\` did not start (${reason.message || reason}). ` +
        "Install it (`pip install 'cospace[lsp]'`) or say where it is in the setting `cospace.command`."
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running) {
    await running.stop();
  }
}

async function activate(context) {
  const again = async () => {
    await stop();
    await start(context);
  };
  context.subscriptions.push(
    vscode.commands.registerCommand("cospace.restart", again),
    vscode.workspace.onDidChangeConfiguration((change) =>
      change.affectsConfiguration("cospace") ? again() : undefined
    )
  );
  await start(context);
}

module.exports = { activate, deactivate: stop };
