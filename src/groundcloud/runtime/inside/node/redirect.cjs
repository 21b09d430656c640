/**
 * Requests to AWS's own host names that are signed with the function's own keys go to the platform, where alone these keys are known.
 *
 * For what knows no AWS_ENDPOINT_URL and cannot be told: version 2 of the SDK in a bundled file, signers of other makers. The path and the Host header
 * stay, so that the signature holds and the platform knows the service. Requests that are not signed, or with other keys, go where they are sent.
 * The answers of custom resources come to the platform as well when their code takes HTTPS and port 443 for granted. Python: answers.py.
 */
"use strict";

const { URL, URLSearchParams } = require("url");

const AWS = /(?:^|\.)amazonaws\.com(?:\.cn)?$/i;
const ANSWER = "/?Action=RecordHandlerProgress&";
const DEFAULT_PORTS = new Set(["", "80", "443"]);

let done = false;

/** Wraps the two modules of the protocol, which are loaded only now: they cost memory. */
function install() {
  if (done) return;
  done = true;
  const platform = new URL(process.env.AWS_ENDPOINT_URL);
  const http = require("http");
  const https = require("https");
  const there = platform.protocol === "https:" ? https : http;
  const target = { protocol: platform.protocol, hostname: platform.hostname.replace(/^\[|\]$/g, ""), port: platform.port || undefined };
  const send = there.request;
  for (const module of [http, https]) {
    const request = module.request;
    module.request = function (...given) {
      const options = readOptions(given);
      if (!isOurs(options) && !isAnswer(options, target)) return request.apply(this, given);
      return send(redirected(options, target, module === there), given.find((one) => typeof one === "function"));
    };
    module.get = function (...given) {
      const made = module.request(...given);
      made.end();
      return made;
    };
  }
  const { syncBuiltinESMExports } = require("module");
  if (syncBuiltinESMExports) syncBuiltinESMExports();
}

/** As node:http reads its arguments: an address, options, or both. */
function readOptions([first, second]) {
  if (typeof first !== "string" && !(first instanceof URL)) return first || {};
  let url;
  try {
    url = new URL(first);
  } catch (_) {
    return {};
  }
  const read = { protocol: url.protocol, hostname: url.hostname, port: url.port, path: `${url.pathname}${url.search}` };
  return typeof second === "object" && second !== null ? { ...read, ...second } : read;
}

function isOurs(options) {
  const key = process.env.AWS_ACCESS_KEY_ID;
  if (!key || !AWS.test(String(options.hostname || options.host))) return false;
  const signature = header(options.headers, "authorization");
  if (signature) return signature.includes(`Credential=${key}/`) || signature.startsWith(`AWS ${key}:`);
  const query = new URLSearchParams(String(options.path).split("?")[1]);
  return query.get("AWSAccessKeyId") === key || String(query.get("X-Amz-Credential")).startsWith(`${key}/`);
}

function isAnswer(options, platform) {
  return String(options.path).startsWith(ANSWER) && hostOf(options) === platform.hostname;
}

function hostOf({ hostname, host }) {
  return hostname ? String(hostname) : String(host).replace(/:\d+$/, "");
}

/** Headers by their names, which may be given as an object or as a list of names and values in turn. */
function named(headers) {
  if (!Array.isArray(headers)) return { ...headers };
  const found = {};
  const flat = [].concat(...headers);
  for (let at = 0; at < flat.length; at += 2) found[flat[at]] = flat[at + 1];
  return found;
}

function header(headers, wanted) {
  const found = Object.entries(named(headers)).find(([name]) => name.toLowerCase() === wanted);
  return found === undefined ? "" : String(found[1]);
}

/** `same`: the protocol is the one that was wanted, so that the agent fits. */
function redirected(options, target, same) {
  const { host, hostname, agent, servername, lookup, ...others } = options;
  const headers = named(options.headers);
  const port = String(options.port || "");
  if (!header(headers, "host")) headers.Host = `${hostname || host}${DEFAULT_PORTS.has(port) ? "" : `:${port}`}`;
  return { ...others, ...target, headers, ...(same ? { agent } : {}) };
}

module.exports = { install };
