/** `npm run demo`: sets everything up, then maps real cells. Options after `--` go to `gigamapper demo`. */

import { build } from "./build.mjs";
import { announce, run } from "./toolchain.mjs";

build({ browser: false });
announce("demo");
run(process.execPath, ["bin/gigamapper.mjs", "demo", ...process.argv.slice(2)]);
