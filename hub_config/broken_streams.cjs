// Loaded into the hub's proxy: a server that ends in the middle of an answer ends the answer for its client too.
//
// configurable-http-proxy 5.3 (http-proxy-3) pipes a server's answer to the client, and Node's pipe() tells the client
// nothing when its source breaks. A client would wait for the rest of an MCP stream until its own patience ends, instead
// of asking again. Cutting its connection is what HTTP has for "this is not all" (RFC 9112, section 8).
"use strict";

const { IncomingMessage, ServerResponse } = require("node:http");

const pipe = IncomingMessage.prototype.pipe;

IncomingMessage.prototype.pipe = function (client, options) {
  if (client instanceof ServerResponse) {
    this.once("close", () => {
      if (!this.complete) client.destroy();
    });
  }
  return pipe.call(this, client, options);
};
