/** Bugs in the driving of HTTP/1.1 connections: what is lost, read twice, out of order, or never let go. */
import type { Mutant } from './mutant.ts';

const DRIVER = 'test/rpc/http1/driver.test.ts';
const HAND_OVER = 'test/rpc/http1/hand-over.test.ts';
const CONNECTION = 'internal/rpc/http1/http1-connection.ts';

export const HTTP1_DRIVER_MUTANTS: readonly Mutant[] = [
  {
    name: 'port that closes as soon as the server drains',
    file: 'internal/rpc/listeners.ts',
    text: '      await Promise.race([Promise.all([connections.drained(), untilRead(clock)]), grace]);\n',
    replacement: '',
    tests: ['test/server/edge.test.ts'],
  },
  {
    name: "session of Node's HTTP/2 that refuses what was under way when the server drains",
    file: 'internal/rpc/http-servers.ts',
    text: '{ close: () => closeAfterPing(session, clock),',
    replacement: '{ close: () => session.close(),',
    tests: ['test/server/edge.test.ts'],
  },
  {
    name: 'idle connection that ends over what its peer has sent when the server drains',
    file: CONNECTION,
    text: '    if (!this.#isIdle) return;\n',
    replacement: '    if (!this.#isIdle) return;\n    this.#finish();\n',
    tests: [DRIVER],
  },
  {
    name: 'answer lost of a connection that Node serves and its peer half closed',
    file: 'internal/rpc/http-servers.ts',
    text: 'Object.assign(server, { httpAllowHalfOpen: true });',
    replacement: '',
    tests: ['test/server/pipelining.test.ts'],
  },
  {
    name: 'pipelined request lost at the hand-over',
    file: CONNECTION,
    text: 'passSocket(socket, this.#reader.takeRest(), this.#site.handOver);',
    replacement: 'passSocket(socket, this.#reader.takeRest().subarray(0, 70), this.#site.handOver);',
    tests: [HAND_OVER],
  },
  {
    name: 'bytes read by the driver that are read by Node too',
    file: 'internal/rpc/socket-owner.ts',
    text: "socket.off('data', onData);",
    replacement: '',
    tests: [HAND_OVER],
  },
  {
    name: 'socket handed over before the answers are written',
    file: CONNECTION,
    text: 'if (!this.#output.isWriting) this.#endIfDone();',
    replacement: 'this.#endIfDone();',
    tests: [HAND_OVER],
  },
  {
    name: 'held bytes of a connection read over by another one',
    file: CONNECTION,
    text: 'if (bytes.length > 0) this.#reader.keep();',
    replacement: '',
    tests: [DRIVER],
  },
  {
    name: 'body of a call read over by another connection',
    file: 'internal/rpc/http1/socket-exchange.ts',
    text: 'this.#sink.onChunk(own)',
    replacement: 'this.#sink.onChunk(bytes.subarray(from, to))',
    tests: [DRIVER],
  },
  {
    name: 'call given up because its peer sends no more',
    file: 'internal/rpc/http1/socket-exchange.ts',
    text: `  onPeerEnd(): void {
    this.#endBody(false);
`,
    replacement: `  onPeerEnd(): void {
    this.#endBody(false);
    this.#tellClose(false);
`,
    tests: [DRIVER],
  },
  {
    name: 'stream of a direct socket read over by another connection',
    file: 'internal/rpc/direct-socket.ts',
    text: 'socket.push(Buffer.from(bytes))',
    replacement: 'socket.push(bytes)',
    tests: ['test/rpc/direct-socket.test.ts'],
  },
  {
    name: 'direct socket of TLS that is read while it rests',
    file: 'internal/rpc/direct-socket.ts',
    text: ' && !socket.isPaused() && socket.readableLength === 0;',
    replacement: ';',
    tests: ['test/rpc/direct-socket.test.ts'],
  },
  {
    name: "socket of TLS that Node's parser reads past its pause",
    file: 'internal/rpc/direct-socket.ts',
    text: 'handle._consumed = true;',
    replacement: 'handle._consumed = false;',
    tests: ['test/rpc/tls/served.test.ts'],
  },
  {
    name: 'direct socket that its server forgets',
    file: 'internal/rpc/direct-socket.ts',
    text: '(direct as unknown as Accepted)._server = server;',
    replacement: '',
    tests: ['test/rpc/direct-socket.test.ts'],
  },
  {
    name: 'answers that the log makes known left to the next turn',
    file: CONNECTION,
    text: 'this.#site.turns.expect();',
    replacement: '',
    tests: [DRIVER],
  },
  {
    name: 'answer before the one to the request before (HTTP/1.1)',
    file: CONNECTION,
    text: 'if (this.#request?.isAnswered === false) return false;',
    replacement: '',
    tests: [DRIVER],
  },
  {
    name: 'pipelined requests read while nobody reads the answers',
    file: CONNECTION,
    text: 'if (this.isLast || this.#output.isWriting || this.#output',
    replacement: 'if (this.isLast || this.#output',
    tests: [DRIVER],
  },
  {
    name: 'field that comes twice taken for the last of them (HTTP/1.1)',
    file: 'internal/rpc/http1/request-start.ts',
    text: 'if (bag[name] !== undefined) return undefined;',
    replacement: '',
    tests: [HAND_OVER],
  },
  {
    name: 'time for a head that begins anew with each piece',
    file: 'internal/rpc/http1/phase.ts',
    text: 'if (phase === this.#phase) return;',
    replacement: '',
    tests: [DRIVER],
  },
  {
    name: 'idle connection that a drain leaves open (HTTP/1.1)',
    file: CONNECTION,
    text: 'if (this.#isIdle) this.#finish();',
    replacement: '',
    tests: [DRIVER],
  },
  {
    name: 'body that nobody reads gathered in memory (HTTP/1.1)',
    file: 'internal/rpc/http1/socket-call.ts',
    text: 'else if (!isRoom) this.#wire.holdBody(true);',
    replacement: '',
    tests: [DRIVER],
  },
  {
    name: 'requests lost behind which their peer closed its side (HTTP/1.1)',
    file: CONNECTION,
    text: '(this.#hasPeerEnded && this.#reader.held === 0)',
    replacement: 'this.#hasPeerEnded',
    tests: [DRIVER],
  },
];
