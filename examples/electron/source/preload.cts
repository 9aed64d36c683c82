/** Between the service and the window: six functions, and nothing of Electron or Node. */

import type { ProgressEvent } from "gigamapper" with { "resolution-mode": "import" };
import type { Answer, Api, Calls, Request } from "./protocol.js" with { "resolution-mode": "import" };

const { contextBridge, ipcRenderer } = require("electron") as typeof Electron;

interface Waiting {
  resolve(result: unknown): void;
  reject(reason: Error): void;
  onProgress(event: ProgressEvent): void;
}

const waiting = new Map<number, Waiting>();
let calls = 0;
let connect: (port: MessagePort) => void;
const connected = new Promise<MessagePort>((resolve) => {
  connect = resolve;
});

ipcRenderer.once("port", ({ ports: [port] }) => {
  if (!port) return;
  port.onmessage = ({ data }: MessageEvent<Answer>) => answered(data);
  connect(port);
});

function answered(answer: Answer): void {
  const caller = waiting.get(answer.call);
  if (!caller) return;
  if ("progress" in answer) {
    caller.onProgress(answer.progress);
    return;
  }
  waiting.delete(answer.call);
  if ("result" in answer) caller.resolve(answer.result);
  else caller.reject(new Error([answer.failure.message, answer.failure.hint].filter(Boolean).join(". ")));
}

async function ask<Name extends keyof Calls>(
  name: Name,
  options: Calls[Name]["takes"],
  onProgress: (event: ProgressEvent) => void = () => {},
  onStart: (call: number) => void = () => {},
): Promise<Calls[Name]["gives"]> {
  const port = await connected;
  calls += 1;
  const call = calls;
  const result = new Promise<unknown>((resolve, reject) => waiting.set(call, { resolve, reject, onProgress }));
  port.postMessage({ call, name, options } as Request);
  onStart(call);
  return (await result) as Calls[Name]["gives"];
}

const api: Api = {
  choose: () => ipcRenderer.invoke("choose") as Promise<string | null>,
  inspect: (path) => ask("inspect", { path }),
  plan: (mapping) => ask("plan", mapping),
  map: (mapping, onProgress, onStart) => ask("map", mapping, onProgress, onStart),
  cancel: (call) => ask("cancel", { call }),
  firstRows: (path, rows) => ask("firstRows", { path, rows }),
};
contextBridge.exposeInMainWorld("gigamapper", api);
