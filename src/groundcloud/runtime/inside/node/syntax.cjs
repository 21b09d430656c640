/** Where a syntax error of an ES module is: Node.js tells it to a terminal, not to who catches the error. */
"use strict";

const { spawnSync } = require("child_process");

const WAIT_MS = 3000;

/** Puts file, line and mark before the stack, where CommonJS has them. Another Node.js links the modules once more and ends before it runs any. */
function locate(error, href) {
  if (!(error instanceof SyntaxError) || !String(error.stack).startsWith("SyntaxError")) return error;
  const program = `import "data:text/javascript,process.exit(0)"; import ${JSON.stringify(href)};`;
  const done = spawnSync(process.execPath, ["--no-warnings", "--input-type=module", "-e", program], { env: {}, encoding: "utf8", timeout: WAIT_MS });
  const at = String(done.stderr || "").indexOf("\nSyntaxError");
  if (at > 0) error.stack = `${done.stderr.slice(0, at)}\n${error.stack}`;
  return error;
}

module.exports = { locate };
