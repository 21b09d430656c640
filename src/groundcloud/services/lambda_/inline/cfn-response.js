// Answers CloudFormation for a custom resource. Present beside functions whose code is inline in a template, as on AWS.
//
//   require("cfn-response").send(event, context, response.SUCCESS, { Name: "value" })
"use strict";

exports.SUCCESS = "SUCCESS";
exports.FAILED = "FAILED";

/** Puts the answer at the event's ResponseURL. The physical id is the log stream's name unless one is given. */
exports.send = function (event, context, responseStatus, responseData, physicalResourceId, noEcho) {
  const body = JSON.stringify({
    Status: responseStatus,
    Reason: "See the details in CloudWatch Log Stream: " + context.logStreamName,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: responseData,
  });
  const url = new URL(event.ResponseURL);
  const transport = require(url.protocol === "http:" ? "http" : "https");
  const done = () => {
    if (typeof context.done === "function") context.done();
  };
  return new Promise((resolve) => {
    const options = { method: "PUT", headers: { "content-type": "", "content-length": Buffer.byteLength(body) } };
    const request = transport.request(url, options, (response) => {
      console.log("Status code: " + response.statusCode);
      response.resume();
      response.on("end", () => resolve(done()));
    });
    request.on("error", (error) => {
      console.log("send(..) failed: " + error);
      resolve(done());
    });
    request.end(body);
  });
};
