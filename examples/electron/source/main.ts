/**
 * The main process: makes the window and the service, gives each an end of one channel, and is out of the way: what they tell each
 * other does not pass through it. The window is sandboxed and isolated, and has no Node.
 */

import { fileURLToPath } from "node:url";
import { app, BrowserWindow, dialog, ipcMain, MessageChannelMain, utilityProcess } from "electron";

const near = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

await app.whenReady();

const service = utilityProcess.fork(near("service.js"), [], { serviceName: "gigamapper" });
const window = new BrowserWindow({
  webPreferences: { preload: near("preload.cjs"), contextIsolation: true, sandbox: true, nodeIntegration: false },
});

ipcMain.handle("choose", async () => {
  const { filePaths } = await dialog.showOpenDialog(window, { properties: ["openDirectory", "openFile"] });
  return filePaths[0] ?? null;
});

window.webContents.on("did-finish-load", () => {
  const { port1, port2 } = new MessageChannelMain();
  service.postMessage(null, [port1]);
  window.webContents.postMessage("port", null, [port2]);
});
// The window shows one page and never leaves it.
window.webContents.setWindowOpenHandler(() => ({ action: "deny" }));
window.webContents.on("will-navigate", (event) => event.preventDefault());

app.on("window-all-closed", () => {
  service.kill();
  app.quit();
});

await window.loadFile(near("../index.html"));
