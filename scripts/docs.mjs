/** `npm run docs`: the reference of the library as pages in .cache/docs. A warning is a failure: a name without words, a link to nothing. */

import { installed, prepare, tried } from "./toolchain.mjs";

prepare();
process.exitCode = tried(installed("typedoc"), ["--logLevel", "Warn"]) ? 0 : 1;
