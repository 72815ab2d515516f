"""Calls a Walnut node with Python's grpcio. Arguments: host:port, and a FileDescriptorSet of api/.

Messages are made from the descriptors, so that no code has to be generated. Prints one
line for each step; the test compares them.
"""

import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

address, descriptors = sys.argv[1:3]
files = descriptor_pb2.FileDescriptorSet()
with open(descriptors, "rb") as source:
    files.ParseFromString(source.read())
pool = descriptor_pool.DescriptorPool()
for file in files.file:
    pool.Add(file)
service = pool.FindServiceByName("walnut.v1.KVStore")


def message(descriptor):
    return message_factory.GetMessageClass(descriptor)


def method(channel, name):
    """The rpc as a function from the fields of its request to its answer, or to a stream of them."""
    found = service.methods_by_name[name]
    request = message(found.input_type)
    kind = channel.unary_stream if found.server_streaming else channel.unary_unary
    call = kind(
        f"/{service.full_name}/{name}",
        request_serializer=request.SerializeToString,
        response_deserializer=message(found.output_type).FromString,
    )
    return lambda **fields: call(request(**fields), timeout=20)


with grpc.insecure_channel(address) as channel:
    rpc = {name: method(channel, name) for name in service.methods_by_name}
    print("set", rpc["Set"](key="interop", value=b"v", ttl_ms=60_000).applied)
    got = rpc["Get"](key="interop")
    print("get", got.found, got.value.decode(), got.expire_at_ms > 0)
    print("increment", rpc["Increment"](key="n", delta=41, initial=1).value)
    operations = [{"set": {"key": "b", "value": b"w"}}, {"get": {"key": "b"}}]
    results = rpc["Batch"](operations=operations).results
    print("batch", [result.WhichOneof("result") for result in results], results[1].get.value.decode())
    try:
        rpc["Get"](key="")
    except grpc.RpcError as error:
        print("refused", error.code().name)
    watch = rpc["Watch"](key="watched", progress_every_ms=1_000)
    next(watch)
    rpc["Set"](key="watched", value=b"seen")
    event = next(one for answer in watch for one in answer.events)
    print("watch", event.key, event.value.decode())
    watch.cancel()
    large = bytes(3_000_000)
    rpc["Set"](key="large", value=large)
    print("large", rpc["Get"](key="large").value == large)
    rpc["Delete"](key="n")
