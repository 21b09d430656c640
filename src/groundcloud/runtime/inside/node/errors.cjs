/** AWS's error documents and error types of the Node.js runtime. */
"use strict";

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

const typeOf = (error) => String(error.name || error.constructor?.name || "Error");

/** What the caller of the function receives. */
function errorDocument(error) {
  try {
    if (isError(error)) {
      return {
        errorType: typeOf(error).replaceAll("\x7f", "%7F"),
        errorMessage: String(error.message).replaceAll("\x7f", "%7F"),
        trace: String(error.stack ?? "").replaceAll("\x7f", "%7F").split("\n"),
      };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return { errorType: "handled", errorMessage: "callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack", trace: [] };
  }
}

/** What is written to the log: the same, with the error's own properties. */
function loggedDocument(error) {
  try {
    if (!isError(error)) return { errorType: typeof error, errorMessage: String(error), stack: [] };
    const own = {};
    for (const [name, value] of Object.entries(error)) {
      if (!["name", "message", "stack"].includes(name)) own[name] = value;
    }
    return { errorType: typeOf(error), errorMessage: String(error.message), ...own, stack: String(error.stack ?? "").split("\n") };
  } catch {
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

module.exports = { fault, errorDocument, loggedDocument, safeJson };
