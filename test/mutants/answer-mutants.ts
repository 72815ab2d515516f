/** Bugs by which a peer could hold, or be told, what it should not. */
import type { Mutant } from './mutant.ts';

const TAGS = 'test/server/entity-tags.test.ts';
const KEYS = 'test/server/keys.test.ts';
const STREAMS = 'test/server/streams.test.ts';
const UNREAD = 'test/node/unread-snapshots.test.ts';
const PLACES = 'test/node/snapshot-places.test.ts';

export const ANSWER_MUTANTS: readonly Mutant[] = [
  {
    name: 'bytes of a GET that are no UTF-8 taken for another key',
    file: 'internal/rpc/unary/get-query.ts',
    text: "  if (query.includes('%') && !isWellEscaped(query))",
    replacement: "  if (query === '%' && !isWellEscaped(query))",
    tests: ['test/server/unary-differential.test.ts'],
  },
  {
    name: 'message that cannot be read, refused without the detail that nothing was done',
    file: 'internal/rpc/undecodable.ts',
    text: 'return unbegun(new ConnectError(message, Code.InvalidArgument));',
    replacement: 'return new ConnectError(message, Code.InvalidArgument);',
    tests: ['test/server/unary-differential.test.ts'],
  },
  {
    name: 'early failure of gRPC that keeps the status of a bug',
    file: 'internal/rpc/early-failure.ts',
    text: '  setTrailerStatus(trailers, error);',
    replacement: '',
    tests: ['test/server/unary-differential.test.ts'],
  },
  {
    name: 'stream whose peer has gone left waiting',
    file: 'internal/rpc/stream-answer.ts',
    text: '      this.#wakeAll();\n      onClosed();',
    replacement: '',
    tests: [STREAMS],
  },
  {
    name: 'stream that nobody reads kept for ever',
    file: 'internal/rpc/stream-answer.ts',
    text: '      cutOff(this.#response);',
    replacement: '',
    tests: [STREAMS],
    http2: 'node',
  },
  {
    name: 'snapshot left open when its reader loses its place',
    file: 'internal/node/snapshot-source.ts',
    text: '      place.onEnd(() => {\n        closed = file.close();',
    replacement: '      place.onEnd(() => {',
    tests: [UNREAD],
  },
  {
    name: 'place for a snapshot kept from a replica that registered',
    file: 'internal/node/snapshot-places.ts',
    text: 'const stranger = isKnown ? ',
    replacement: "const stranger = isKnown && nodeId === '' ? ",
    tests: [UNREAD],
  },
  {
    name: 'place for a snapshot kept by a reader that takes nothing',
    file: 'internal/node/snapshot-places.ts',
    text: 'this.#clock.after(READER_IDLE_MS, () => this.end(late));',
    replacement: 'this.#clock.after(READER_IDLE_MS, () => {});\n    void late;',
    tests: [PLACES],
  },
  {
    name: 'weak entity tag taken for a strong one',
    file: 'internal/server/entity-tags.ts',
    text: 'ifMatch.some((tag) => !tag.isWeak && ',
    replacement: 'ifMatch.some((tag) => ',
    tests: [TAGS],
  },
  {
    name: 'write under a list of entity tags made for another version than was compared',
    file: 'internal/server/conditional-write.ts',
    text: ": { kind: 'version', version };\n  }\n  throw unavailable(",
    replacement: ": { kind: 'present' };\n  }\n  throw unavailable(",
    tests: [TAGS],
  },
  {
    name: 'gzip in a PUT of a key kept as it came',
    file: 'internal/server/keys-body.ts',
    text: '  if (!isGzip) return body;',
    replacement: '  if (!isGzip || body.length > 0) return body;',
    tests: [KEYS],
  },
  {
    name: 'value of a key that a browser takes for a page of the node',
    file: 'internal/server/keys-content.ts',
    text: "    'content-security-policy': \"sandbox; frame-ancestors 'none'\",\n",
    replacement: '',
    tests: [KEYS],
  },
  {
    name: 'range of a value that is one byte short',
    file: 'internal/server/byte-range.ts',
    text: 'Math.min(Number(last) + 1, bytes)',
    replacement: 'Math.min(Number(last), bytes)',
    tests: ['test/server/byte-range.test.ts'],
  },
  {
    name: 'range of a value joined to the part of another version',
    file: 'internal/server/keys-read.ts',
    text: "request.method === 'GET' && isRangeOf(ifRange, version)",
    replacement: "request.method === 'GET' && (isRangeOf(ifRange, version) || true)",
    tests: ['test/server/byte-range.test.ts'],
  },
  {
    name: 'page of keys without the cursor of the next one',
    file: 'internal/server/keys-list-route.ts',
    text: "...(answer.nextCursor === '' ? {} : { 'x-walnut-next-cursor': answer.nextCursor }),",
    replacement: '',
    tests: ['test/server/keys-list.test.ts'],
  },
  {
    name: 'increment of a key made without the condition of its headers',
    file: 'internal/server/keys-write.ts',
    text: 'options.port.increment({ ...command, condition }, ',
    replacement: 'options.port.increment({ ...command }, ',
    tests: ['test/server/keys-increment.test.ts'],
  },
  {
    name: 'deadline that passed told as a position that is not reached',
    file: 'internal/node/reader.ts',
    text: '      checkCaller(signal);\n      if (leftMs <= 0) throw',
    replacement: '      if (leftMs <= 0 || signal?.aborted === true) throw',
    tests: ['test/node/deadlines.test.ts'],
  },
  {
    name: 'grpc-message escaped like a URL',
    file: 'internal/rpc/grpc-message.ts',
    text: "return encoded.includes('%') ? encodeGrpcMessage(decodeURIComponent(encoded)) : encoded;",
    replacement: 'return encoded;',
    tests: ['test/server/grpc-message.test.ts'],
  },
  {
    name: 'answer to what cannot be parsed sent before the answers that are due',
    file: 'internal/rpc/request-lanes.ts',
    text: 'if (due === undefined && this.#waiting.length === 0) {',
    replacement: 'if (due === undefined || this.#waiting.length >= 0) {',
    tests: ['test/server/unparsed.test.ts'],
    http1: 'node',
  },
  {
    name: 'reflection without comments',
    file: 'internal/rpc/reflection-service.ts',
    text: 'create(FileDescriptorProtoSchema, { ...proto, sourceCodeInfo })',
    replacement:
      'create(FileDescriptorProtoSchema, { ...proto, ...(sourceCodeInfo.location.length < 0 && { sourceCodeInfo }) })',
    tests: ['test/rpc/reflection.test.ts'],
  },
  {
    name: 'answer that nobody reads kept by its connection',
    file: 'internal/rpc/stalled-sockets.ts',
    text: '        socket.destroy();',
    replacement: '',
    tests: [STREAMS],
    http1: 'node',
  },
  {
    name: 'answer that nobody reads kept by its stream',
    file: 'internal/rpc/answer-pace.ts',
    text: 'if (bytes < BOUND_BYTES_MIN || stream.destroyed) return;',
    replacement: 'if (bytes >= 0) return;',
    tests: [STREAMS],
    http2: 'node',
  },
  {
    name: 'refusal said of an error that may have done something',
    file: 'internal/wire/error-codec.ts',
    text: 'if (nothingDone === true) sent',
    replacement: "if (nothingDone === true || code !== 'storage_failed') sent",
    tests: ['test/server/error-details.test.ts'],
  },
];
