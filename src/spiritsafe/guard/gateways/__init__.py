"""guard/gateways: where does a request come in, and how is it answered there?

The doors: `asgi` stands inside a server, `proxy` in front of one. All of them read a request with `exchanges` (whose
body is this, and what does it ask?) and `callers` (whose account, which address?), ask the one `Guard` through `door`,
and answer with `refusals` in the words of the API that was called.
"""
