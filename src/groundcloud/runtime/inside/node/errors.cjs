/** AWS's error documents and error types of the Node.js runtime; before nodejs10.x (`speakOld`) documents looked otherwise. */
"use strict";

let old = false;

function speakOld() {
  old = true;
}

class RuntimeFault extends Error {
  constructor(errorType, message) {
    super(message);
    this.name = errorType;
  }
}

function fault(errorType, message, cause) {
  const made = new RuntimeFault(errorType, message);
  if (cause !== undefined && cause !== null && cause.stack) made.stack = String(cause.stack);
  return made;
}

function isError(value) {
  return value !== null && typeof value === "object" && typeof value.name === "string" && typeof value.message === "string" && "stack" in value;
}

const typeOf = (error) => String(error.name || (error.constructor && error.constructor.name) || "Error");

const escaped = (text) => text.split("\x7f").join("%7F");

/** What the caller of the function receives. */
function errorDocument(error) {
  if (old) return oldDocument(error);
  try {
    if (isError(error)) {
      return {
        errorType: escaped(typeOf(error)),
        errorMessage: escaped(String(error.message)),
        trace: escaped(String(error.stack || "")).split("\n"),
      };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch (_) {
    return { errorType: "handled", errorMessage: "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack", trace: [] };
  }
}

function oldDocument(error) {
  if (!isError(error)) return { errorMessage: String(error) };
  const frames = String(error.stack || "").split("\n    at ");
  return { errorMessage: String(error.message), errorType: typeOf(error), stackTrace: frames.slice(1) };
}

/** What is written to the log: the same, with the error's own properties. */
function loggedDocument(error) {
  try {
    if (!isError(error)) return { errorType: typeof error, errorMessage: String(error), stack: [] };
    const own = {};
    for (const [name, value] of Object.entries(error)) {
      if (!["name", "message", "stack"].includes(name)) own[name] = value;
    }
    return { errorType: typeOf(error), errorMessage: String(error.message), ...own, stack: String(error.stack || "").split("\n") };
  } catch (_) {
    return { errorType: "Error", errorMessage: "the error cannot be printed", stack: [] };
  }
}

/** JSON of what may refer to itself. */
function safeJson(value) {
  const seen = new WeakSet();
  return JSON.stringify(value, (_, inner) => {
    if (typeof inner === "bigint") return String(inner);
    if (isError(inner)) return loggedDocument(inner);
    if (inner !== null && typeof inner === "object") {
      if (seen.has(inner)) return "[Circular]";
      seen.add(inner);
    }
    return inner;
  });
}

module.exports = { speakOld, fault, errorDocument, loggedDocument, safeJson };
