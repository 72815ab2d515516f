/** Bugs in TLS: who gets through a handshake, as whom, and for how long. */
import type { Mutant } from './mutant.ts';

const SERVED = ['test/rpc/tls/served.test.ts'];
const CERTIFICATES = ['test/rpc/tls/client-certificates.test.ts'];
const LIMITS = ['test/rpc/tls/limits.test.ts'];
const GATE = 'internal/rpc/tls/tls-gate.ts';

export const TLS_MUTANTS: readonly Mutant[] = [
  {
    name: 'TLS: clear text is served where TLS is required',
    file: 'internal/rpc/tls/doors.ts',
    text: "tls.mode === 'required' ? refuseClearText(parts) : parts.readers",
    replacement: 'parts.readers',
    tests: SERVED,
  },
  {
    name: 'TLS: a client certificate that is not trusted is taken',
    file: GATE,
    text: '    if (authorized && isTrusted) return undefined;\n',
    replacement: '    if (authorized || authorizationError !== undefined) return undefined;\n',
    tests: CERTIFICATES,
  },
  {
    name: 'TLS: a required client certificate may be missing',
    file: GATE,
    text: "return this.#options.clientAuth === 'require'",
    replacement: "return this.#options.clientAuth === 'none'",
    tests: CERTIFICATES,
  },
  {
    name: 'TLS: new files serve nobody',
    file: GATE,
    text: '    this.#server.setSecureContext(this.#contextOf(material));\n',
    replacement: '',
    tests: CERTIFICATES,
  },
  {
    name: 'TLS: who had a certificate of a removed authority stays in',
    file: GATE,
    text: '    this.#certified.judgeAgain(material.authorities);\n',
    replacement: '',
    tests: CERTIFICATES,
  },
  {
    name: 'TLS: a session is resumed without a look at its certificate',
    file: 'internal/tls/server-context.ts',
    text: '(asksForCertificate ? constants.SSL_OP_NO_TICKET : 0)',
    replacement: '(asksForCertificate ? 0 : constants.SSL_OP_NO_TICKET)',
    tests: CERTIFICATES,
  },
  {
    name: 'TLS: a handshake is judged by the authorities of its beginning',
    file: GATE,
    text: '    if (authorized && isTrusted) return undefined;\n',
    replacement: '    if (authorized) return undefined;\n',
    tests: CERTIFICATES,
  },
  {
    name: 'drain: connections that have said nothing keep it waiting',
    file: 'internal/rpc/socket-mux.ts',
    text: '  connections.addSession(silent);\n',
    replacement: '',
    tests: LIMITS,
  },
  {
    name: 'TLS: connections that were reset share one handshake',
    file: 'internal/rpc/tls/handshakes.ts',
    text: '    this.#underWay.set(socket, handshake);\n',
    replacement: '    this.#underWay.clear();\n    this.#underWay.set(socket, handshake);\n',
    tests: ['test/rpc/tls/handshakes.test.ts'],
  },
  {
    name: 'what a connection without an address sent is carried out',
    file: 'internal/rpc/bounded-mux.ts',
    text: "    if (address === '') {\n",
    replacement: "    if (address === 'gone') {\n",
    tests: ['test/rpc/bounded-mux.test.ts'],
  },
  {
    name: 'TLS: a certificate outlives its time on an open connection',
    file: 'internal/rpc/tls/certified-sockets.ts',
    text: '    this.#endUnless(isValidAt);\n',
    replacement: '',
    tests: CERTIFICATES,
  },
  {
    name: 'TLS: handshakes without a bound',
    file: 'internal/rpc/tls/handshakes.ts',
    text: '    if (this.#underWay.size >= countMax) this.#endOldest();\n',
    replacement: '    if (countMax === 0) this.#endOldest();\n',
    tests: LIMITS,
  },
  {
    name: 'TLS: the time of a handshake begins with its first byte',
    file: 'internal/rpc/tls/handshakes.ts',
    text: 'Math.max(0, sinceMs + HANDSHAKE_TIMEOUT_MS - clock.monotonicMs())',
    replacement: 'Math.max(HANDSHAKE_TIMEOUT_MS, sinceMs)',
    tests: LIMITS,
  },
  {
    name: 'TLS: renegotiation is granted',
    file: 'internal/tls/server-context.ts',
    text: 'constants.SSL_OP_NO_RENEGOTIATION',
    replacement: 'constants.SSL_OP_NO_COMPRESSION',
    tests: LIMITS,
  },
  {
    name: 'TLS: a certificate goes before the credential of a call',
    file: 'internal/auth/identities.ts',
    text: '    if (authorization === undefined) return this.#withoutHeader(peer);',
    replacement:
      '    if (authorization === undefined || peer.certificateNames) return this.#withoutHeader(peer);',
    tests: CERTIFICATES,
  },
  {
    name: 'TLS: a certificate with names of two users is one of them',
    file: 'internal/auth/identities.ts',
    text: 'found.some(({ user }) => user.name !== first.user.name)',
    replacement: "found.some(({ user }) => user.name === '')",
    tests: CERTIFICATES,
  },
  {
    name: 'TLS: a user stays known by a certificate that was taken from it',
    file: 'internal/auth/identities.ts',
    text: '    this.#ofCertificates = new WeakMap();\n',
    replacement: '',
    tests: CERTIFICATES,
  },
  {
    name: 'TLS: a list of names that is not understood counts',
    file: 'internal/tls/certificate-names.ts',
    text: '|[^,"]*)(?:, |$)/y',
    replacement: '|[^,]*)(?:, |$)/y',
    tests: ['test/tls/certificate-names.test.ts'],
  },
  {
    name: 'TLS: anyone may sign in the name of an authority',
    file: 'internal/tls/trust.ts',
    text: 'return ca && isForClients && ',
    replacement: 'return isForClients && ',
    tests: ['test/tls/trust.test.ts'],
  },
  {
    name: 'TLS: an authority for servers vouches for a client when the authorities change',
    file: 'internal/tls/trust.ts',
    text: 'return ca && isForClients && ',
    replacement: 'return ca && ',
    tests: ['test/tls/trust.test.ts'],
  },
  {
    name: 'TLS: a path may be longer than an authority allows when the authorities change',
    file: 'internal/tls/trust.ts',
    text: ' && authoritiesBelow <= pathLengthOf(raw)',
    replacement: '',
    tests: ['test/rpc/tls/certificate-chains.test.ts'],
  },
  {
    name: 'TLS: an expired certificate replaces a valid one',
    file: 'internal/tls/tls-files.ts',
    text: '        inForce = material;\n',
    replacement: '',
    tests: ['test/tls/tls-files.test.ts'],
  },
  {
    name: 'TLS: the last of the authorities to expire is told',
    file: 'internal/tls/tls-files.ts',
    text: 'Math.min(...authorities',
    replacement: 'Math.max(...authorities',
    tests: ['test/tls/tls-files.test.ts'],
  },
  {
    name: 'TLS: a key of another certificate is taken',
    file: 'internal/tls/tls-material.ts',
    text: '  if (own.checkPrivateKey(key)) return;\n',
    replacement: '  if (paths.key !== paths.cert) return;\n',
    tests: ['test/tls/tls-material.test.ts'],
  },
];
