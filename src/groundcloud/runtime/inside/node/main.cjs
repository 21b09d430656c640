/**
 * The Node.js runtime inside a sandbox: started before its function is known, told through the channel, then answers invocations.
 *
 * Behaves as AWS's Node.js runtime does towards the function. States: blank --SET_UP--> loading --handler found--> ready
 * --INVOKE--> busy --a promise settles, a callback and an empty event loop--> ready.
 */
"use strict";

const Module = require("module");
const { Channel, ERROR, INIT_ERROR, INVOKE, READY, RESPONSE, RESPONSE_BYTES_MAX, SET_UP, residentKb } = require("./channel.cjs");
const { logFailure, patchConsole, setRequest } = require("./console.cjs");
const endpoint = require("./endpoint.cjs");
const { errorDocument, fault, speakOld } = require("./errors.cjs");
const { loadHandler } = require("./handler.cjs");
const { ResponseStream, install, isStreaming } = require("./streaming.cjs");

const UNCAUGHT_STATUS = 129;
const REJECTED_STATUS = 128;
const NEW_ERRORS_FROM = 10;
const NO_CALLBACKS_FROM = 24;
const EMPTY = Buffer.alloc(0);

let handler;
let runtimeMajor = 0;
let current; // the invocation
let loaded = false;
let onEmptyLoop;

const channel = new Channel(Number(process.argv[2]), (kind, head, payload) => {
  if (kind === SET_UP) void setUp(head);
  else if (kind === INVOKE) invoke(head, payload);
});
process.argv.splice(1, 2, "/var/runtime/index.mjs");
process.mainModule = undefined; // AWS's runtime is an ES module: a function's `require.main` is undefined
// The first import() of a process takes milliseconds: it is done while the process waits for its function, unless that comes at once.
const warming = setTimeout(warm, 50).unref();

function warm() {
  if (Module.syncBuiltinESMExports) require("./import.cjs")("process").catch(() => {}); // early ones have none
}

async function setUp(head) {
  clearTimeout(warming);
  Object.assign(process.env, head.environment);
  Module._initPaths(); // NODE_PATH was another one when this process began
  process.chdir(head.task_root);
  runtimeMajor = Number.parseInt((/\d+/.exec(head.runtime) || ["0"])[0], 10);
  patchConsole(runtimeMajor);
  if (runtimeMajor < NEW_ERRORS_FROM) speakOld();
  install();
  if (process.env.AWS_ENDPOINT_URL) endpoint.install();
  process.on("uncaughtException", (error) => {
    logFailure("Uncaught Exception", error);
    fail(errorDocument(error), UNCAUGHT_STATUS);
  });
  process.on("unhandledRejection", (reason, promise) => {
    const error = fault("Runtime.UnhandledPromiseRejection", String(reason));
    error.reason = reason;
    error.promise = promise;
    logFailure("Unhandled Promise Rejection", error);
    fail(errorDocument(error), REJECTED_STATUS);
  });
  process.on("beforeExit", () => {
    const act = onEmptyLoop;
    onEmptyLoop = undefined;
    if (act) act();
    else channel.hold();
  });
  try {
    handler = await loadHandler(head.task_root, head.handler);
    if (runtimeMajor >= NO_CALLBACKS_FROM && handler.length >= 3 && !isStreaming(handler)) {
      throw fault(
        "Runtime.CallbackHandlerDeprecated",
        "AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify this function to use a supported handler signature to use Node.js 24 or later.",
      );
    }
  } catch (error) {
    logFailure("Uncaught Exception", error);
    fail(errorDocument(error), UNCAUGHT_STATUS);
    return;
  }
  loaded = true;
  channel.send(READY, { rss_kb: residentKb() }, EMPTY);
}

/** Reports the error of what runs now, and ends the process. */
function fail(document, status) {
  const text = Buffer.from(JSON.stringify(document));
  if (!loaded) channel.sendSync(INIT_ERROR, { error_type: document.errorType || "Error" }, text);
  else if (current) channel.sendSync(ERROR, { request_id: current.id, error_type: document.errorType || "Error", last: true, rss_kb: residentKb() }, text);
  process.exit(status);
}

class Invocation {
  constructor(head) {
    this.id = head.request_id;
    this.deadline = head.deadline_ms;
    this.finished = false;
    this.waits = true;
  }

  succeed(result) {
    if (this.finished) return;
    let text;
    try {
      text = JSON.stringify(result === undefined ? null : result) || "null";
    } catch (error) {
      this.fail(fault("Runtime.MarshalError", "Unable to stringify response body", error));
      return;
    }
    const payload = Buffer.from(text);
    if (payload.length > RESPONSE_BYTES_MAX) {
      const message = `Response payload size exceeded maximum allowed payload size (${RESPONSE_BYTES_MAX} bytes).`;
      this.end(ERROR, { error_type: "Function.ResponseSizeTooLarge" }, JSON.stringify({ errorType: "Function.ResponseSizeTooLarge", errorMessage: message }));
      return;
    }
    this.end(RESPONSE, {}, payload);
  }

  fail(error) {
    if (this.finished) return;
    logFailure("Invoke Error", error);
    const document = errorDocument(error);
    this.end(ERROR, { error_type: document.errorType || "Error" }, JSON.stringify(document));
  }

  end(kind, head, payload) {
    if (this.finished) return;
    this.finished = true;
    current = undefined;
    onEmptyLoop = undefined;
    channel.hold();
    channel.send(kind, { request_id: this.id, rss_kb: residentKb(), ...head }, Buffer.from(payload));
  }

  /** The result of a callback goes out when nothing is left to do, unless the handler has said otherwise. */
  callback(error, result) {
    const answer = () => (error !== null && error !== undefined ? this.fail(error) : this.succeed(result));
    if (this.finished) return;
    if (!this.waits) {
      answer();
      return;
    }
    onEmptyLoop = answer;
    channel.letGo();
  }
}

function contextOf(invocation, head) {
  const environment = process.env;
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return invocation.waits;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      invocation.waits = Boolean(value);
    },
    functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: head.client_context,
    identity: head.identity,
    invokedFunctionArn: head.function_arn,
    awsRequestId: head.request_id,
    tenantId: head.tenant_id,
    getRemainingTimeInMillis: () => Math.max(0, invocation.deadline - Date.now()),
  };
  if (runtimeMajor < NO_CALLBACKS_FROM) {
    context.done = (error, result) => {
      invocation.waits = false;
      invocation.callback(error, result);
    };
    context.succeed = (result) => context.done(null, result);
    context.fail = (error) => context.done(error === undefined || error === null ? "handled" : error);
  }
  return context;
}

function invoke(head, payload) {
  const invocation = new Invocation(head);
  current = invocation;
  if (head.environment) Object.assign(process.env, head.environment);
  if (head.trace_id) process.env._X_AMZN_TRACE_ID = head.trace_id;
  else delete process.env._X_AMZN_TRACE_ID;
  setRequest(head.request_id, head.tenant_id);
  channel.letGo();
  onEmptyLoop = () => invocation.succeed(null);
  // In a turn of its own, so that what the handler throws is not thrown through the channel.
  setImmediate(() => run(invocation, head, payload));
}

function run(invocation, head, payload) {
  let event;
  try {
    event = payload.length ? JSON.parse(payload.toString("utf8")) : null;
  } catch (error) {
    invocation.fail(fault("Runtime.UnmarshalError", `Unable to unmarshal input: ${error.message}`, error));
    return;
  }
  const context = contextOf(invocation, head);
  try {
    if (isStreaming(handler)) {
      stream(invocation, event, context);
      return;
    }
    const result = handler(event, context, (error, value) => invocation.callback(error, value));
    if (isPromise(result)) {
      onEmptyLoop = () => {
        const error = fault("Runtime.NodejsExit", "The event loop is empty, and the promise that the handler returned has not settled.");
        invocation.fail(error);
      };
      result.then(
        (value) => invocation.succeed(value),
        (error) => invocation.fail(error),
      );
    } else if (runtimeMajor >= NO_CALLBACKS_FROM) {
      invocation.succeed(result);
    }
  } catch (error) {
    invocation.fail(error);
  }
}

function isPromise(value) {
  return value !== null && value !== undefined && typeof value.then === "function";
}

function stream(invocation, event, context) {
  const out = new ResponseStream(channel, invocation.id);
  const failed = (error) => {
    out.destroy();
    invocation.fail(error);
  };
  out.on("finish", () => invocation.end(RESPONSE, {}, EMPTY));
  out.on("error", failed);
  onEmptyLoop = () => failed(fault("Runtime.NodejsExit", "The event loop is empty, and the response stream has not ended."));
  const result = handler(event, out, context);
  if (!isPromise(result)) {
    failed(fault("Runtime.StreamingHandlerNotAsync", "Streaming does not support non-async handlers."));
    return;
  }
  result.then(() => {
    if (!out.writableEnded) out.end();
  }, failed);
}
