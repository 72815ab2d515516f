/** Planted bugs of calls to nodes over our own HTTP/2. */
import type { Mutant } from './mutant.ts';

const CLIENT = 'test/dial/http2-client.test.ts';
const TRANSPORT = 'test/dial/own-transport.test.ts';
const PEER = 'test/peer/unary-client.test.ts';
const CONNECTION = 'internal/dial/http2/client-connection.ts';

export const HTTP2_CLIENT_MUTANTS: readonly Mutant[] = [
  {
    name: 'call sent again that may have taken effect',
    file: CONNECTION,
    text: 'code === ErrorCode.refusedStream && !call.isOver',
    replacement: '!call.isOver',
    tests: [CLIENT],
  },
  {
    name: 'call that a peer refuses sent again without end',
    file: 'internal/dial/http2/outgoing-call.ts',
    text: 'this.#repeats++ < REPEATS_MAX',
    replacement: 'REPEATS_MAX > 0',
    tests: [CLIENT],
  },
  {
    name: 'peer that gives no sign of life never left',
    file: CONNECTION,
    text: '    if (silentMs >= SILENT_MS + PONG_MS) this.destroy(silence(silentMs));\n    else if',
    replacement: '    if',
    tests: [CLIENT],
  },
  {
    name: 'peer that answers pings left for its silence',
    file: CONNECTION,
    text: '      this.#connection.ping();',
    replacement: '',
    tests: [CLIENT],
  },
  {
    name: 'connection kept on which a call was late and nothing came',
    file: CONNECTION,
    text: 'if (isLate && this.#heardMs < call.startedMs) {',
    replacement: 'if (isLate && this.#heardMs > Infinity) {',
    tests: [CLIENT],
  },
  {
    name: 'connection left with a late call while others are answered',
    file: CONNECTION,
    text: 'if (isLate && this.#heardMs < call.startedMs) {',
    replacement: 'if (isLate) {',
    tests: [CLIENT],
  },
  {
    name: 'new calls on a connection that the peer leaves',
    file: CONNECTION,
    text: '  onGoaway(): void {\n    this.leave();',
    replacement: '  onGoaway(): void {',
    tests: [CLIENT],
  },
  {
    name: 'calls that wait long at a node stop all others to it',
    file: 'internal/dial/http2/http2-client.ts',
    text: 'return !isOpening && length < CONNECTIONS_MAX &&',
    replacement: 'return !isOpening && length < 1 &&',
    tests: [CLIENT],
  },
  {
    name: 'connections to one node without a bound',
    file: 'internal/dial/http2/http2-client.ts',
    text: 'return !isOpening && length < CONNECTIONS_MAX &&',
    replacement: 'return !isOpening && length < CONNECTIONS_MAX * 2 &&',
    tests: [CLIENT],
  },
  {
    name: 'further connections tried at each call although the peer takes none',
    file: 'internal/dial/http2/http2-client.ts',
    text: 'if (!connection.isProven) this.#mayGrowMs = this.#clock.monotonicMs() + GROWTH_PAUSE_MS;',
    replacement: '',
    tests: [CLIENT],
  },
  {
    name: 'calls that wait for a place without a bound',
    file: 'internal/dial/http2/http2-client.ts',
    text: 'this.#waiting.length >= CALLS_WAITING_MAX',
    replacement: 'this.#waiting.length < 0',
    tests: [CLIENT],
  },
  {
    name: 'rest of a request sent that is answered already',
    file: CONNECTION,
    text: '    if (!stream.isClosed) this.#connection.resetStream(stream, ErrorCode.noError);',
    replacement: '',
    tests: [PEER],
  },
  {
    name: 'heartbeat behind a push of megabytes',
    file: 'internal/peer/unary-client.ts',
    text: 'isBulk || body.length > SHORT_BYTES_MAX ? bulk : short',
    replacement: 'isBulk || body.length > SHORT_BYTES_MAX ? short : short',
    tests: [PEER],
  },
  {
    name: 'stream whose reader stops left running at its node',
    file: 'internal/dial/http2/answer-stream.ts',
    text: '      this.#isOver = true;\n      this.#client.cancel(this.#call, false);',
    replacement: '      this.#isOver = true;',
    tests: [TRANSPORT],
  },
  {
    name: 'stream credited before its reader has taken it',
    file: 'internal/dial/http2/answer-stream.ts',
    text: 'new OutgoingCall(fields, body, this, false)',
    replacement: 'new OutgoingCall(fields, body, this, true)',
    tests: [TRANSPORT],
  },
  {
    name: 'timer of a call that was answered left running',
    file: 'internal/dial/http2/own-transport.ts',
    text: '    this.#timer?.cancel();',
    replacement: '',
    tests: [TRANSPORT],
  },
  {
    name: 'stream over our own HTTP/2 without the credential of its endpoint',
    file: 'internal/dial/http2/own-transport.ts',
    text: "  if (credential !== undefined) fields.push('authorization', credential);",
    replacement: '  void credential;',
    tests: [TRANSPORT],
  },
  {
    name: 'credential of a node kept after it has changed',
    file: 'internal/dial/http2/connect-call.ts',
    text: '    last.credential !== credential ||\n',
    replacement: '',
    tests: [TRANSPORT],
  },
];
