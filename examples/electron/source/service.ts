/** The utility process: a process of its own with Node and without a window, in which the addon is loaded and runs. */

import { serve } from "./serve.js";

process.parentPort.once("message", ({ ports: [port] }) => {
  if (port) serve(port);
});
