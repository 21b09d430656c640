/** Finds the function that a handler's name means, in CommonJS and ES modules. AWS: "Define Lambda function handler in Node.js". */
"use strict";

const fs = require("fs");
const Module = require("module");
const path = require("path");
const { pathToFileURL } = require("url");
const { fault } = require("./errors.cjs");

/** As AWS's runtime would: it is the path that the errors of missing modules name. */
const RUNTIME = "/var/runtime/index.mjs";
const requireAsRuntime = Module.createRequire ? Module.createRequire(RUNTIME) : olderRequire();

/** The same before Node.js 12.2. */
function olderRequire() {
  const runtime = new Module(RUNTIME);
  Object.assign(runtime, { filename: RUNTIME, paths: Module._nodeModulePaths(path.dirname(RUNTIME)) });
  const found = (name) => runtime.require(name);
  found.resolve = (name, options) => Module._resolveFilename(name, runtime, false, options);
  return found;
}

function isFile(name) {
  try {
    const found = fs.statSync(name, { throwIfNoEntry: false });
    return found !== undefined && found.isFile();
  } catch (_) {
    return false; // Node.js before 14.17 throws all the same
  }
}

/** Whether the nearest package.json above says that .js files are ES modules. */
function saysModule(file) {
  for (let directory = path.dirname(file); ; directory = path.dirname(directory)) {
    const description = path.join(directory, "package.json");
    if (isFile(description)) {
      try {
        return JSON.parse(fs.readFileSync(description, "utf8")).type === "module";
      } catch (_) {
        return false;
      }
    }
    if (directory === path.dirname(directory)) return false;
  }
}

async function load(root, name) {
  const base = path.resolve(root, name);
  const importing = async (file) => {
    const { href } = pathToFileURL(file);
    try {
      return await require("./import.cjs")(href);
    } catch (error) {
      throw require("./syntax.cjs").locate(error, href);
    }
  };
  if (isFile(base)) return requireAsRuntime(base);
  const asModule = saysModule(base);
  if (isFile(`${base}.js`)) return asModule ? importing(`${base}.js`) : requireAsRuntime(`${base}.js`);
  if (isFile(`${base}.mjs`)) return importing(`${base}.mjs`);
  if (isFile(`${base}.cjs`)) return requireAsRuntime(`${base}.cjs`);
  if (isFile(path.join(base, "index.js")) && !asModule) return requireAsRuntime(base);
  return requireAsRuntime(requireAsRuntime.resolve(name, { paths: [root] }));
}

/** Throws AWS's named errors. */
async function loadHandler(root, handler) {
  if (handler.includes("..")) {
    throw fault("Runtime.MalformedHandlerName", `'${handler}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const name = path.basename(handler);
  const dot = name.indexOf(".");
  if (dot <= 0 || dot === name.length - 1) throw fault("Runtime.MalformedHandlerName", "Bad handler");
  const module = handler.slice(0, handler.length - name.length) + name.slice(0, dot);
  let found;
  try {
    found = await load(root, module);
  } catch (error) {
    if (error instanceof SyntaxError) throw fault("Runtime.UserCodeSyntaxError", String(error), error);
    if (error !== null && error !== undefined && (error.code === "MODULE_NOT_FOUND" || error.code === "ERR_MODULE_NOT_FOUND")) {
      throw fault("Runtime.ImportModuleError", String(error), error);
    }
    throw error;
  }
  const names = name.slice(dot + 1).split(".");
  const walk = (start) => names.reduce((at, part) => (at === undefined || at === null ? undefined : at[part]), start);
  const result = walk(found) || (found && walk(found.default));
  if (!result) throw fault("Runtime.HandlerNotFound", `${handler} is undefined or not exported`);
  if (typeof result !== "function") throw fault("Runtime.HandlerNotFound", `${handler} is not a function`);
  return result;
}

module.exports = { loadHandler };
