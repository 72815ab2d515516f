/** Planted bugs in how TLS is called, and in what is sent over it. */
import type { Mutant } from './mutant.ts';

const DIALER = 'internal/dial/tls-dialer.ts';
const DIAL = 'test/dial/tls-dialer.test.ts';
const TOOL = 'test/cli/tls.test.ts';

export const CALLER_TLS_MUTANTS: readonly Mutant[] = [
  {
    name: 'caller by TLS: certificates are not verified',
    file: DIALER,
    text: '        rejectUnauthorized: true,',
    replacement: '        rejectUnauthorized: false,',
    tests: [DIAL],
  },
  {
    name: 'caller by TLS: the name in a certificate is not compared',
    file: DIALER,
    text: '        checkServerIdentity: objectionToNames,',
    replacement: '        checkServerIdentity: () => undefined,',
    tests: [DIAL],
  },
  {
    name: 'caller by TLS: the CN counts as a name',
    file: DIALER,
    text: '        checkServerIdentity: objectionToNames,\n',
    replacement: '',
    tests: [DIAL],
  },
  {
    name: 'caller by TLS: the environment switches verification off',
    file: DIALER,
    text: '        rejectUnauthorized: true,\n',
    replacement: '',
    tests: [DIAL],
  },
  {
    name: 'caller by TLS: an old authority stays trusted after a change',
    file: DIALER,
    text: '    if (now !== last) context = contextOf(now);\n',
    replacement: '',
    tests: [DIAL],
  },
  {
    name: 'caller by TLS: why a server refuses a connection is not told',
    file: 'internal/dial/http2/client-connection.ts',
    text: "by === 'peer' && farewell?.code === ErrorCode.inadequateSecurity",
    replacement: 'farewell === null',
    tests: ['test/peer/peer-tls.test.ts'],
  },
  {
    name: 'caller by TLS: streams go in clear text',
    file: 'internal/dial/transport.ts',
    text: "agent.createConnection = () => openSocket(endpoint, 'http/1.1');",
    replacement: "agent.createConnection = () => openSocket({ ...endpoint, tls: undefined }, 'http/1.1');",
    tests: [DIAL],
  },
  {
    name: 'caller by TLS: a node sends its token to a name that its peer chose',
    file: 'internal/peer/peer-credential.ts',
    text: 'const isVerified = isNameConfigured && endpoint.tls !== undefined;',
    replacement: 'const isVerified = endpoint.tls !== undefined;',
    tests: ['test/peer/peer-credential.test.ts'],
  },
  {
    name: 'caller by TLS: a node follows hints in clear text',
    file: 'internal/peer/peer-endpoint.ts',
    text: 'const endpoint = { ...named, tls };',
    replacement: 'const endpoint = { ...named, tls: undefined };',
    tests: ['test/peer/peer-credential.test.ts'],
  },
  {
    name: 'caller by TLS: the token of the tool follows a hint in clear text',
    file: 'cmd/walnut/command-host.ts',
    text: 'by.tls === undefined ? told : { ...told, tls: by.tls, authorization: by.authorization }',
    replacement: '{ ...told, tls: by.tls, authorization: by.authorization }',
    tests: [TOOL],
  },
  {
    name: 'caller by TLS: the tool follows a hint out of TLS',
    file: 'cmd/walnut/command-host.ts',
    text: 'by.tls === undefined ? told : { ...told, tls: by.tls, authorization: by.authorization }',
    replacement: '{ ...told, authorization: by.authorization }',
    tests: [TOOL],
  },
  {
    name: 'caller by TLS: https:// of the client is clear text',
    file: 'client/node-seams.ts',
    text: 'if (isByTls(address)) return { ...endpoint, tls: createDialer(tls ?? {}) };',
    replacement: 'if (isByTls(address)) return endpoint;',
    tests: ['test/client/client-options.test.ts'],
  },
];
