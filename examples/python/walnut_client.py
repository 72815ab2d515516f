"""A client of a group of Walnut nodes, over code that is generated from api/.

It follows hints to the master, keeps a session (its reads see what it wrote, on every
node, and never go back in time), and repeats what may be repeated until a deadline.
Not for several threads at once: each keeps a client of its own, or a lock.
"""

import random
import time
import uuid

import grpc

from walnut.v1 import kv_store_pb2, kv_store_pb2_grpc

REPEATABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
ATTEMPT_S = 2.0
PAUSE_S = 0.05
PAUSE_S_MAX = 1.0
NONCE_BITS = 32


class Walnut:
    """`addresses`: host:port of some nodes. `timeout`: seconds of a call, with its repeats."""

    def __init__(self, addresses, timeout=10.0):
        self.timeout = timeout
        self.position = None
        self._addresses = list(addresses)
        self._stubs = {}
        self._master = self._addresses[0]

    def get(self, key):
        """The value, from any node; None if the key is missing.

        Raises DATA_LOSS, once, if what this client saw was discarded by a forced promotion.
        """
        request = kv_store_pb2.GetRequest(key=key, at_least=self.position, wait_ms=1_000)
        try:
            answer = self._call("Get", request, self._anyone())
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.DATA_LOSS:
                self.position = None
            raise
        self._observe(answer.as_of)
        return answer.value if answer.found else None

    def set(self, key, value, ttl=None):
        """Writes bytes; `ttl` in seconds. The name of the write makes its repeats harmless."""
        request = kv_store_pb2.SetRequest(key=key, value=value, request_id=str(uuid.uuid4()))
        if ttl is not None:
            request.ttl_ms = max(1, int(ttl * 1_000))
        self._observe(self._call("Set", request, self._leader()).position)

    def delete(self, key):
        """True if it was there."""
        request = kv_store_pb2.DeleteRequest(key=key, request_id=str(uuid.uuid4()))
        answer = self._call("Delete", request, self._leader())
        self._observe(answer.position)
        return answer.deleted

    def increment(self, key, delta=1):
        """The number after adding `delta`, once, however often the request was sent."""
        request = kv_store_pb2.IncrementRequest(key=key, delta=delta, request_id=str(uuid.uuid4()))
        answer = self._call("Increment", request, self._leader())
        self._observe(answer.position)
        return answer.value

    def _call(self, rpc, request, targets):
        deadline = time.monotonic() + self.timeout
        pause = PAUSE_S
        for address in targets:
            left = deadline - time.monotonic()
            try:
                return getattr(self._stub(address), rpc)(request, timeout=max(0.001, min(left, ATTEMPT_S)))
            except grpc.RpcError as error:
                hint = dict(error.trailing_metadata() or ()).get("x-leader-hint")
                is_hinted = error.code() == grpc.StatusCode.FAILED_PRECONDITION and hint is not None
                if not is_hinted and error.code() not in REPEATABLE:
                    raise
                if time.monotonic() + pause >= deadline:
                    raise
                if hint is not None:
                    self._master = hint
                if not is_hinted:
                    time.sleep(pause * random.uniform(0.5, 1.0))
                    pause = min(2 * pause, PAUSE_S_MAX)
        raise AssertionError("targets do not end")

    def _leader(self):
        """The master as far as it is known; where that named nobody else, somebody who may know it."""
        while True:
            asked = self._master
            yield asked
            if self._master == asked:
                yield random.choice(self._addresses)

    def _anyone(self):
        while True:
            yield random.choice(self._addresses)

    def _stub(self, address):
        if address not in self._stubs:
            self._stubs[address] = kv_store_pb2_grpc.KVStoreStub(grpc.insecure_channel(address))
        return self._stubs[address]

    def _observe(self, position):
        """Terms decide before LSNs: a newer master may have a shorter log."""
        known = self.position
        order = lambda one: (one.epoch >> NONCE_BITS, one.lsn)
        if position.lsn > 0 and (known is None or order(position) > order(known)):
            self.position = position
