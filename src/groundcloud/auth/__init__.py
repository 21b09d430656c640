"""Who asks, and may they? Pure functions: a request and documents in, a decision out. No I/O, no clock, no service.

Signatures (`sigv4`, with `canonical`, `sigv4a`, `chunked`, `signing`, `refusals` beside it)
    signature = sigv4.parse_authorization(headers, raw_query)          None: nobody signed this
    sigv4.verify(signature, secret, method, raw_path, raw_query, headers, payload_hash, now_s)
    signature.chunked(): the body is aws-chunked; chunked.ChunkedDecoder(signature, secret, decoded_length) decodes it
    refusals.SignatureError is raised by all of them; refusals.refusal(error, family) is AWS's answer to it
    signing.sign(...), signing.presign(...): the client's side
    Headers are a mapping of lower-case names to values (several of one name joined by a comma); header values, raw_path and
    raw_query are the octets on the wire, decoded as latin-1. Header values need no trimming.

Policies (`policy`, with `documents`, `patterns`, `conditions`, `explain`, `simulate` beside it)
    compiled = documents.parse(text, "identity", name="arn:aws:iam::...:policy/x")     MalformedPolicy(message)
    decision = policy.evaluate(Request(...), Policies(...))            decision.allowed
    policy.sentence(decision, request)                                 AWS's "User: ... is not authorized to perform: ..."
    decision.trace()                                                   every policy, every statement, what did not match and why
    simulate.simulate(...)                                             SimulatePrincipalPolicy, SimulateCustomPolicy
"""
