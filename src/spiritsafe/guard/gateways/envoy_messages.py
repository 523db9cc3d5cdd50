"""The few messages of Envoy's external authorisation that the guard reads and writes, as protobuf has them on the wire.

Source: `envoy/service/auth/v3/external_auth.proto` and what it refers to, Envoy 1.40; only fields that are used here,
by their numbers. Built here and not taken from `xds-protos`, which brings its own, older `opentelemetry.proto` and
`google.api` and writes them over the real ones. Comes from nothing; goes on to `envoy`.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE: Final = "spiritsafe.envoy"
_TYPES: Final = {"string": 9, "bytes": 12, "int32": 5}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3

# Message to its fields: name, number, type (a scalar or a message), and whether there may be many.
_MESSAGES: Final[dict[str, tuple[tuple[str, int, str, bool], ...]]] = {
    "SocketAddress": (("address", 2, "string", False),),
    "Address": (("socket_address", 1, "SocketAddress", False),),
    "Peer": (("address", 1, "Address", False),),
    "Header": (("key", 1, "string", False), ("value", 2, "string", False)),
    "HttpRequest": (
        ("method", 2, "string", False),
        ("headers", 3, "Header", True),  # a map is written as its entries
        ("path", 4, "string", False),
        ("body", 11, "string", False),
        ("raw_body", 12, "bytes", False),
    ),
    "Request": (("http", 2, "HttpRequest", False),),
    "Attributes": (("source", 1, "Peer", False), ("request", 4, "Request", False)),
    "CheckRequest": (("attributes", 1, "Attributes", False),),
    "Status": (("code", 1, "int32", False),),
    "HttpStatus": (("code", 1, "int32", False),),
    "HeaderOption": (("header", 1, "Header", False), ("append_action", 3, "int32", False)),
    "Denied": (("status", 1, "HttpStatus", False), ("headers", 2, "HeaderOption", True), ("body", 3, "string", False)),
    "Allowed": (("headers", 2, "HeaderOption", True), ("headers_to_remove", 5, "string", True)),
    "CheckResponse": (
        ("status", 1, "Status", False),
        ("denied_response", 2, "Denied", False),
        ("ok_response", 3, "Allowed", False),
    ),
}

SERVICE: Final = "envoy.service.auth.v3.Authorization"
OVERWRITE: Final = 2
"""`HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD`."""

OK, PERMISSION_DENIED = 0, 7
"""`google.rpc.Code`."""


def _built() -> dict[str, Any]:
    """A class for each message."""
    file = descriptor_pb2.FileDescriptorProto(name="spiritsafe_envoy.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, many in fields:
            added = message.field.add(name=field, number=number, label=_REPEATED if many else _OPTIONAL)
            added.type = _TYPES.get(kind, _MESSAGE)
            if kind not in _TYPES:
                added.type_name = f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


_CLASSES: Final = _built()
Allowed, CheckRequest, CheckResponse = (_CLASSES[name] for name in ("Allowed", "CheckRequest", "CheckResponse"))
Denied, Header, HeaderOption = (_CLASSES[name] for name in ("Denied", "Header", "HeaderOption"))
HttpStatus, Status = (_CLASSES[name] for name in ("HttpStatus", "Status"))
