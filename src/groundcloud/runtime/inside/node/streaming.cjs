/** awslambda.streamifyResponse and HttpResponseStream: handlers that write their response piece by piece. */
"use strict";

const { Writable } = require("stream");
const { CHUNK } = require("./channel.cjs");

const STREAMING = Symbol.for("aws.lambda.runtime.handler.streaming");
const PIECE_BYTES_MAX = 1024 * 1024;
const HTTP_TYPE = "application/vnd.awslambda.http-integration-response";

class ResponseStream extends Writable {
  constructor(channel, requestId) {
    super({ highWaterMark: 64 * 1024 });
    this.channel = channel;
    this.requestId = requestId;
    this.contentType = "application/octet-stream";
    this.begun = false;
  }

  setContentType(contentType) {
    this.contentType = contentType;
  }

  _write(chunk, encoding, done) {
    let data = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk, encoding);
    if (data.length === 0 && this.begun) return done();
    while (data.length > PIECE_BYTES_MAX) {
      this.piece(data.subarray(0, PIECE_BYTES_MAX));
      data = data.subarray(PIECE_BYTES_MAX);
    }
    this.piece(data, done);
  }

  piece(data, done) {
    this.begun = true;
    this.channel.send(CHUNK, { request_id: this.requestId, content_type: this.contentType }, data, done);
  }
}

const HttpResponseStream = {
  from(stream, metadata) {
    stream.setContentType(HTTP_TYPE);
    stream.write(JSON.stringify(metadata));
    stream.write(Buffer.alloc(8));
    return stream;
  },
};

function isStreaming(handler) {
  return handler[STREAMING] !== undefined;
}

function install() {
  global.awslambda = {
    ...global.awslambda,
    streamifyResponse(handler, options) {
      handler[STREAMING] = options === undefined ? true : options;
      return handler;
    },
    HttpResponseStream,
  };
}

module.exports = { ResponseStream, HttpResponseStream, isStreaming, install };
