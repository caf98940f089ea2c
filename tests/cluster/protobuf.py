"""What a protobuf body says: kubectl's and Helm's typed creates are sent so, whatever the server would rather have."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

MAGIC = b"k8s\0"

# Fields by number, as Kubernetes' generated.proto files have them; only the kinds that are created in this way.
_MESSAGES = {
    "Unknown": {1: "typeMeta TypeMeta", 2: "raw bytes"},
    "TypeMeta": {1: "apiVersion string", 2: "kind string"},
    "ObjectMeta": {1: "name string", 2: "generateName string", 3: "namespace string",
                   5: "uid string", 6: "resourceVersion string", 11: "labels map", 12: "annotations map",
                   13: "ownerReferences OwnerReference*", 14: "finalizers string*"},
    "OwnerReference": {1: "kind string", 3: "name string", 4: "uid string", 5: "apiVersion string",
                       6: "controller bool", 7: "blockOwnerDeletion bool"},
    "Namespace": {1: "metadata ObjectMeta"},
    "ServiceAccount": {1: "metadata ObjectMeta", 4: "automountServiceAccountToken bool"},
    "ConfigMap": {1: "metadata ObjectMeta", 2: "data map", 3: "binaryData bytesmap", 4: "immutable bool"},
    "Secret": {1: "metadata ObjectMeta", 2: "data bytesmap", 3: "type string", 4: "stringData map",
               5: "immutable bool"},
    "DeleteOptions": {1: "gracePeriodSeconds int", 2: "preconditions Preconditions", 4: "propagationPolicy string",
                      5: "dryRun string*"},
    "Preconditions": {1: "uid string", 2: "resourceVersion string"},
}  # fmt: skip
_SCALARS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int": FieldDescriptorProto.TYPE_INT32,
}


class UnknownMessageError(Exception):
    """A kind whose fields are not in the table."""


def decode(body: bytes) -> dict[str, Any]:
    """The object in a `k8s\\0` envelope; ValueError if it is broken, UnknownMessageError if its kind is not known."""
    envelope = _read("Unknown", body[len(MAGIC) :])
    named = envelope["typeMeta"]
    if named["kind"] not in _MESSAGES:
        raise UnknownMessageError(f"a {named['kind']} in protobuf is not understood here")
    result = _read(named["kind"], base64.b64decode(envelope.get("raw", "")))
    return {**named, **{key: value for key, value in result.items() if value != ""}}  # Go writes empty fields, too


def _read(name: str, data: bytes) -> dict[str, Any]:
    message = _classes()[name]()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    result: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return result


@cache
def _classes() -> dict[str, type[Message]]:
    file = FileDescriptorProto(name="kubernetes.proto", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, text in fields.items():
            _declare(message, number, *text.split())
    pool = DescriptorPool()
    pool.Add(file)
    return {name: GetMessageClass(pool.FindMessageTypeByName(name)) for name in _MESSAGES}


def _declare(message: DescriptorProto, number: int, name: str, kind: str) -> None:
    field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if kind.endswith(("*", "map")):
        field.label = FieldDescriptorProto.LABEL_REPEATED
    scalar = kind.removesuffix("*")
    if kind.endswith("map"):
        entry = message.nested_type.add(name=f"{name[0].upper()}{name[1:]}Entry")
        entry.options.map_entry = True
        _declare(entry, 1, "key", "string")
        _declare(entry, 2, "value", kind.removesuffix("map") or "string")
        scalar = f"{message.name}.{entry.name}"
    if scalar in _SCALARS:
        field.type = _SCALARS[scalar]
    else:
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{scalar}"
