/**
 * Version 2 of AWS's SDK knows no AWS_ENDPOINT_URL, as version 3 does: without this its calls would leave for AWS.
 *
 * Each of its entry points loads lib/core.js, whose configuration every client begins with, last when it is complete: before that it is made anew.
 * What a function configures itself wins. What has the SDK in its own file is caught on its way out (redirect.cjs).
 */
"use strict";

const Module = require("module");

const redirect = require("./redirect.cjs");

const PROTOCOLS = new Set(["http", "https", "node:http", "node:https"]);
const CORE = /(?:^|\/)core(?:\.js)?$/;

/** From now on what is loaded as the SDK's core is told the platform's address. */
function install() {
  const load = Module._load;
  const told = new WeakSet();
  Module._load = function (request, ...others) {
    if (PROTOCOLS.has(request)) redirect.install();
    const loaded = load.call(this, request, ...others);
    if (CORE.test(request) && isSdk(loaded) && !told.has(loaded.config)) {
      told.add(loaded.config);
      loaded.config.update({ endpoint: process.env.AWS_ENDPOINT_URL, s3ForcePathStyle: true });
    }
    return loaded;
  };
}

function isSdk(loaded) {
  // Modules that load one another in a circle are not complete yet, and Node.js warns of what is asked of them.
  const owns = (name) => Object.prototype.hasOwnProperty.call(Object(loaded), name);
  if (!owns("VERSION") || !owns("Service") || !owns("config")) return false;
  return String(loaded.VERSION).startsWith("2.") && typeof loaded.Service === "function" && typeof loaded.config.update === "function";
}

module.exports = { install };
