/** Planted bugs of what is let in: names, hosts, sizes of messages. */
import type { Mutant } from './mutants.ts';

export const EDGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'sections of the configuration that inherit from Object',
    file: 'internal/config/yaml-source.ts',
    text: '  return Object.create(null) as RawSection;',
    replacement: '  return {};',
    tests: ['test/config/load-config.test.ts'],
  },
  {
    name: 'names of an input looked up in what every object has',
    file: 'internal/platform/own-value.ts',
    text: '  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;',
    replacement: '  return record?.[name];',
    tests: ['test/config/load-config.test.ts'],
  },
  {
    name: 'fields of a message that are counted by nobody',
    file: 'internal/server/unary/message-codec.ts',
    text: '  if (isBinary) checkMessage(schema, bytes, fieldsMax);',
    replacement: '',
    tests: ['test/server/message-limits.test.ts'],
  },
  {
    name: 'fields within fields left out of the count',
    file: 'internal/wire/message-check.ts',
    text: '      this.message(message, this.#at + length);',
    replacement: '      this.#at += length;',
    tests: ['test/wire/message-check.test.ts'],
  },
  {
    name: 'blanks of a JSON request that cost nothing',
    file: 'internal/wire/json-scan.ts',
    text: '      this.#count(1);',
    replacement: '',
    tests: ['test/wire/json-decode.test.ts'],
  },
  {
    name: 'value in JSON cut short where a sign is no base64',
    file: 'internal/wire/json-decode.ts',
    text: '  return digits % 4 !== 1 && value.length === Math.floor((digits * 3) / 4) ? value : undefined;',
    replacement: '  return value;',
    tests: ['test/wire/json-decode.test.ts'],
  },
  {
    name: 'name in the absolute target that nobody checks',
    file: 'internal/server/host-policy.ts',
    text: '        check(authorityOf(target)) ??\n',
    replacement: '',
    tests: ['test/server/host-policy.test.ts'],
  },
  {
    name: 'HTTP/2 streams that the unary path answers whatever name they are sent to',
    file: 'internal/server/request-listener.ts',
    text: "      if (options.hosts.refusal(headers, '/') !== undefined) return false;",
    replacement: '',
    tests: ['test/server/host-policy.test.ts'],
  },
  {
    name: 'browsers that are taken for tools where others reach the node',
    file: 'internal/server/host-policy.ts',
    text: '      if (!isLoopback && !isFromBrowser) return undefined;',
    replacement: '      if (!isLoopback) return undefined;',
    tests: ['test/server/host-policy.test.ts'],
  },
  {
    name: 'name that ends like a served one',
    file: 'internal/server/host-policy.ts',
    text: '    return host !== undefined && (isIP(host) !== 0 || served.has(host));',
    replacement:
      '    return host !== undefined && (isIP(host) !== 0 || [...served].some((name) => host.endsWith(name)));',
    tests: ['test/server/host-policy.test.ts'],
  },
  {
    name: 'damaged frames that raise the term before anyone looks at them',
    file: 'internal/slave/follower.ts',
    text: '    const frames = framesFromPeer(request.frames);\n    await host.raiseTerm(request.term);',
    replacement:
      '    await host.raiseTerm(request.term);\n    const frames = framesFromPeer(request.frames);',
    tests: ['test/node/malformed-frames.test.ts'],
  },
  {
    name: 'damaged frames that pass for a failure of this node',
    file: 'internal/slave/peer-frames.ts',
    text: '  if (!(error instanceof FrameError || error instanceof RecordError)) return error;',
    replacement: '  if (!(error instanceof FrameError)) return error;',
    tests: ['test/node/malformed-frames.test.ts'],
  },
  {
    name: 'log that whoever calls can fill',
    file: 'internal/platform/line-pace.ts',
    text: '    if (this.#lines === LINES_MAX) {',
    replacement: '    if (this.#lines < 0) {',
    tests: ['test/server/nonsense.test.ts', 'test/platform/line-pace.test.ts'],
  },
  {
    name: 'large messages that connect-node decodes uncounted',
    file: 'internal/server/rpc-routes.ts',
    text: '      { readMaxBytes: Math.min(limits.readMaxBytes, this.#adapterBytesMax) },',
    replacement: '      { readMaxBytes: limits.readMaxBytes },',
    tests: ['test/server/message-limits.test.ts'],
  },
  {
    name: 'body of single bytes that is kept byte by byte',
    file: 'internal/server/body-pieces.ts',
    text: 'const SMALL_BYTES = 16_384;',
    replacement: 'const SMALL_BYTES = 1;',
    tests: ['test/server/body-pieces.test.ts'],
  },
  {
    name: 'gRPC-Web answers without their trailers',
    file: 'internal/server/unary/protocols.ts',
    text: '    const body = Buffer.concat([bytes, trailersEnvelope(trailers)]);',
    replacement: '    const body = bytes;',
    tests: ['test/server/unary-differential.test.ts'],
  },
];
