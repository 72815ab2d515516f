/** What keys of `auth`, `peer` and `server.tls` need of other keys. Pure. */
import type { NodeConfig } from '#config/binaries.ts';
import type { PeerTlsConfig } from '#config/sections/peer.ts';
import type { ServerTlsConfig } from '#config/sections/server-tls.ts';
import { upstreamsOf } from '#config/upstreams.ts';
import { isLoopbackHost } from '#model/address.ts';

export interface CrossProblem {
  readonly section: string;
  readonly key: string;
  readonly message: string;
}

export function checkSecurity(config: NodeConfig): CrossProblem[] {
  const { server, peer } = config;
  return [
    ...checkAuth(config),
    ...checkServerTls(server.tls),
    ...checkPeerTls(peer.tls),
    ...checkClearText(config),
  ];
}

function checkAuth({ auth }: NodeConfig): CrossProblem[] {
  const problems: CrossProblem[] = [];
  if (auth.mode !== 'off' && auth.file === undefined) {
    const message = `missing: expected the file of users that auth.mode: ${auth.mode} needs; walnut auth init writes one`;
    problems.push({ section: 'auth', key: 'file', message });
  }
  if (auth.mode === 'off' && auth.auditFile !== undefined) {
    const message =
      'expected auth.mode: permissive or required beside it, as nobody is known while it is off';
    problems.push({ section: 'auth', key: 'audit_file', message });
  }
  return problems;
}

function checkServerTls({ mode, cert, key, clientCa, clientAuth }: ServerTlsConfig): CrossProblem[] {
  const problem = (name: string, message: string): CrossProblem => ({
    section: 'server',
    key: `tls.${name}`,
    message,
  });
  const files = Object.entries({ cert, key, client_ca: clientCa });
  if (mode === 'off') {
    const message = 'expected server.tls.mode: optional or required beside it';
    const given = files.flatMap(([name, file]) => (file === undefined ? [] : [problem(name, message)]));
    return clientAuth === 'none' ? given : [...given, problem('client_auth', message)];
  }
  const missing = files.flatMap(([name, file]) =>
    name === 'client_ca' || file !== undefined
      ? []
      : [problem(name, `missing: expected a file in PEM, as server.tls.mode is ${mode}`)],
  );
  if ((clientAuth === 'none') === (clientCa === undefined)) return missing;
  return clientCa === undefined
    ? [
        ...missing,
        problem(
          'client_ca',
          `missing: expected a file with the certificates that sign those of clients, as server.tls.client_auth is ${clientAuth}`,
        ),
      ]
    : [...missing, problem('client_ca', 'expected server.tls.client_auth: request or require beside it')];
}

function checkPeerTls({ ca, cert, key, serverName }: PeerTlsConfig): CrossProblem[] {
  const problem = (name: string, message: string): CrossProblem[] => [
    { section: 'peer', key: `tls.${name}`, message: `missing: expected ${message}` },
  ];
  const others = Object.entries({ cert, key, server_name: serverName });
  const [given] = others.find(([, value]) => value !== undefined) ?? [];
  if (ca === undefined && given !== undefined)
    return problem('ca', `the file with the authorities of the other nodes, as peer.tls.${given} is there`);
  if ((cert === undefined) === (key === undefined)) return [];
  const [missing, there] = cert === undefined ? ['cert', 'key'] : ['key', 'cert'];
  return problem(missing, `a file in PEM, as peer.tls.${there} is there`);
}

/** A credential crosses a network in clear text only where `auth.allow_clear_text` says so. */
function checkClearText({ auth, peer, server, ...config }: NodeConfig): CrossProblem[] {
  if (auth.allowClearText) return [];
  const others = upstreamsOf(config);
  const reached = [...others, ...config.replication.replicas].find((address) => !isLoopbackHost(address));
  const isServedClear = server.tls.mode !== 'required' && !isLoopbackHost(server.address);
  const reason =
    auth.mode !== 'off' && isServedClear
      ? `callers send their credentials to server.address ${server.address} in clear text, as server.tls.mode is ${server.tls.mode}`
      : peer.tokenFile !== undefined && peer.tls.ca === undefined && reached !== undefined
        ? `this node sends peer.token_file to ${reached} in clear text`
        : undefined;
  if (reason === undefined) return [];
  const message = `expected true: ${reason}; use TLS, keep the network private or use a tunnel`;
  return [{ section: 'auth', key: 'allow_clear_text', message }];
}
