/**
 * The sandbox's end of the channel: frames to and from the server (see ../frames.py), and the function's log.
 *
 * A frame is kind (1 byte), length of its JSON head (4), length of its payload (4), big-endian, then head and payload.
 */
"use strict";

const fs = require("fs");
const net = require("net");

const SET_UP = 2;
const INVOKE = 1;
const READY = 10;
const INIT_ERROR = 11;
const RESPONSE = 12;
const ERROR = 13;
const CHUNK = 14;

const RESPONSE_BYTES_MAX = 6291556;

const HEADER_BYTES = 9;
const MARK = Buffer.from([0, 0xa5, 0x47, 0x43, 0x4c, 0x4f, 0x47]);

function residentKb() {
  return process.resourceUsage ? process.resourceUsage().maxRSS : Math.ceil(process.memoryUsage().rss / 1024);
}

function pack(kind, head, payload) {
  const text = Buffer.from(JSON.stringify(head));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(kind, 0);
  header.writeUInt32BE(text.length, 1);
  header.writeUInt32BE(payload.length, 5);
  return Buffer.concat([header, text, payload]);
}

/** Writes all of it before anything else happens, so that it is there even if the process ends now. */
function writeSync(fd, data) {
  let at = 0;
  while (at < data.length) {
    try {
      at += fs.writeSync(fd, data, at, data.length - at);
    } catch (error) {
      if (error.code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** One event of the log, whatever its number of lines. */
function logEvent(text) {
  const data = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  writeSync(1, Buffer.concat([MARK, length, data]));
}

class Channel {
  constructor(fd, received) {
    this.fd = fd;
    this.received = received;
    this.incoming = [];
    this.size = 0;
    this.needed = HEADER_BYTES;
    this.socket = new net.Socket({ fd, readable: true, writable: true });
    this.socket.on("data", (chunk) => this.take(chunk));
    this.socket.on("error", () => process.exit(0));
    this.socket.on("end", () => process.exit(0));
  }

  take(chunk) {
    this.incoming.push(chunk);
    this.size += chunk.length;
    while (this.size >= this.needed) {
      const data = this.incoming.length === 1 ? this.incoming[0] : Buffer.concat(this.incoming);
      const headLength = data.readUInt32BE(1);
      const end = HEADER_BYTES + headLength + data.readUInt32BE(5);
      if (data.length < end) {
        this.incoming = [data];
        this.needed = end;
        return;
      }
      const head = JSON.parse(data.toString("utf8", HEADER_BYTES, HEADER_BYTES + headLength));
      const payload = data.subarray(HEADER_BYTES + headLength, end);
      const rest = data.subarray(end);
      this.incoming = rest.length ? [rest] : [];
      this.size = rest.length;
      this.needed = HEADER_BYTES;
      this.received(data.readUInt8(0), head, payload);
    }
  }

  /** In order; small frames at once, so that nothing is lost when the function ends the process. Calls back when there is room again. */
  send(kind, head, payload, sent) {
    const data = pack(kind, head, payload);
    if (!(this.socket.writableLength || this.socket.bufferSize) && data.length <= 65536) {
      writeSync(this.fd, data);
      if (sent) setImmediate(sent);
      return;
    }
    this.socket.write(data, sent);
  }

  sendSync(kind, head, payload) {
    writeSync(this.fd, pack(kind, head, payload));
  }

  /** Whether waiting for the server keeps the process alive: not while a handler runs, whose event loop may become empty. */
  hold() {
    this.socket.ref();
  }

  letGo() {
    this.socket.unref();
  }
}

module.exports = { SET_UP, INVOKE, READY, INIT_ERROR, RESPONSE, ERROR, CHUNK, RESPONSE_BYTES_MAX, residentKb, writeSync, logEvent, Channel };
