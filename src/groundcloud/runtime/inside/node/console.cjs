/** console.* as AWS's runtime writes it: time, request id, level, message, one event each; or JSON (AWS_LAMBDA_LOG_FORMAT). */
"use strict";

const { format } = require("util");
const { logEvent } = require("./channel.cjs");
const { errorDocument, loggedDocument, safeJson } = require("./errors.cjs");

const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };

const LEVELS_FROM = 10;

let requestId;
let tenantId;
let asJson = false;
let old = false; // before nodejs10.x a line named no level
let lowest = 0;

function setRequest(id, tenant) {
  requestId = id;
  tenantId = tenant;
}

function isJson() {
  return asJson;
}

function text(level, args) {
  logEvent(`${new Date().toISOString()}\t${requestId}\t${old ? "" : `${level}\t`}${format(...args)}`);
}

function json(level, args) {
  const entry = { timestamp: new Date().toISOString(), level, requestId };
  if (tenantId) entry.tenantId = tenantId;
  if (args.length === 1 && args[0] !== null && typeof args[0] === "object" && !(args[0] instanceof Error)) {
    entry.message = args[0];
  } else {
    entry.message = format(...args);
    const error = args.find((value) => value instanceof Error);
    if (error) {
      const found = loggedDocument(error);
      entry.errorType = found.errorType;
      entry.errorMessage = found.errorMessage;
      entry.stackTrace = found.stack;
    }
  }
  logEvent(safeJson(entry));
}

function log(level, ...args) {
  if (asJson) {
    if (LEVELS[level] >= lowest) json(level, args);
  } else {
    text(level, args);
  }
}

/** An error that ends an invocation or the process. */
function logFailure(words, error) {
  if (asJson) {
    const found = loggedDocument(error);
    logEvent(
      safeJson({ timestamp: new Date().toISOString(), level: "ERROR", requestId, message: { errorType: found.errorType, errorMessage: found.errorMessage, stackTrace: found.stack } }),
    );
  } else if (old) {
    text("ERROR", [safeJson(errorDocument(error))]);
  } else {
    logEvent(`${new Date().toISOString()}\t${requestId}\tERROR\t${words} \t${safeJson(loggedDocument(error))}`);
  }
}

function patchConsole(runtimeMajor) {
  old = runtimeMajor < LEVELS_FROM;
  asJson = process.env.AWS_LAMBDA_LOG_FORMAT === "JSON";
  lowest = (asJson && LEVELS[process.env.AWS_LAMBDA_LOG_LEVEL]) || 0;
  for (const [name, level] of [["log", "INFO"], ["debug", "DEBUG"], ["info", "INFO"], ["warn", "WARN"], ["error", "ERROR"], ["trace", "TRACE"], ["fatal", "FATAL"]]) {
    console[name] = (...args) => log(level, ...args);
  }
}

module.exports = { setRequest, isJson, log, logFailure, patchConsole };
