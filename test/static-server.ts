/** A static server with range requests, and the ways in which servers fail. */

import { createReadStream, type Stats, statSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { onTestFinished } from "vitest";

/** What a server may do otherwise than it should. */
export interface Faults {
  /** Answers with whole files, whatever range is asked for. */
  ignoresRanges?: boolean;
  /** Sends no header that lets pages of other origins read it. */
  refusesOrigins?: boolean;
  /** Answers itself; true if it has. */
  instead?: (path: string, request: IncomingMessage, response: ServerResponse) => boolean;
}

/** A server that runs, and what was asked of it. */
export interface StaticServer {
  url: string;
  /** Ranges by file, as `start-end`, or `whole`. */
  asked: [path: string, range: string][];
  faults: Faults;
  close: () => Promise<void>;
}

const TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** Serves a folder, or some by their first name; ends with the test unless it is told to stay. */
export async function serve(
  folders: string | Record<string, string>,
  faults: Faults = {},
  stay = false,
): Promise<StaticServer> {
  const server: Server = createServer();
  const running: StaticServer = {
    url: "",
    asked: [],
    faults,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  server.on("request", (request, response) => answer(folders, running, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  running.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  if (!stay) onTestFinished(running.close);
  return running;
}

function answer(
  folders: string | Record<string, string>,
  { asked, faults }: StaticServer,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://a").pathname));
  if (!faults.refusesOrigins) {
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("access-control-expose-headers", "content-range");
  }
  if (faults.instead?.(path, request, response)) return;
  const [, first = "", ...rest] = path.split("/");
  const file = typeof folders === "string" ? join(folders, path) : join(folders[first] ?? "/nowhere", ...rest);
  const stats: Stats | undefined = statSync(file, { throwIfNoEntry: false });
  if (!stats?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
  const range = /^bytes=(\d*)-(\d*)$/.exec(faults.ignoresRanges ? "" : (request.headers.range ?? ""));
  if (!range) {
    asked.push([path, "whole"]);
    response.writeHead(200, { "content-length": stats.size });
    createReadStream(file).pipe(response);
    return;
  }
  const start = range[1] === "" ? Math.max(0, stats.size - Number(range[2])) : Number(range[1]);
  const end = range[1] === "" || range[2] === "" ? stats.size - 1 : Math.min(Number(range[2]), stats.size - 1);
  if (start > end) {
    response.writeHead(416, { "content-range": `bytes */${stats.size}` }).end();
    return;
  }
  asked.push([path, `${start}-${end}`]);
  response.writeHead(206, {
    "content-length": end - start + 1,
    "content-range": `bytes ${start}-${end}/${stats.size}`,
  });
  createReadStream(file, { start, end }).pipe(response);
}
