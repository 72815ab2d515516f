/** What keys of `auth`, `peer` and `server` need of other keys. Pure. */
import { isUserList, parseUserList } from '#auth/user-list.ts';
import type { BinaryKind, ConfigOf } from '#config/binaries.ts';
import type { AuthConfig } from '#config/sections/auth.ts';
import type { PeerTlsConfig } from '#config/sections/peer.ts';
import type { ServerTlsConfig } from '#config/sections/server-tls.ts';
import { isLoopbackHost } from '#model/address.ts';

export interface CrossProblem {
  readonly section: string;
  readonly key: string;
  /** The part of the value, such as `[0].roles`; undefined: the whole. */
  readonly within?: string;
  readonly message: string;
}

/** Other coordinators and nodes are told one address. */
export function checkAdvertised({ server }: Pick<ConfigOf<'coordinator'>, 'server'>): CrossProblem[] {
  if (server.advertise !== undefined || !/^(?:0\.0\.0\.0|::)$/.test(server.address)) return [];
  const message = `missing: expected the host:port by which nodes and operators reach this coordinator, as server.address is ${server.address}`;
  return [{ section: 'server', key: 'advertise', message }];
}

export function checkAuth(auth: AuthConfig): CrossProblem[] {
  const problems: CrossProblem[] = [];
  if (auth.mode !== 'off' && auth.file === undefined && auth.users === undefined) {
    const message = `missing: expected the file of users that auth.mode: ${auth.mode} needs, or auth.users instead; walnut auth init writes such a file`;
    problems.push({ section: 'auth', key: 'file', message });
  }
  problems.push(...checkUsers(auth));
  if (auth.mode === 'off' && auth.auditFile !== undefined) {
    const message =
      'expected auth.mode: permissive or required beside it, as nobody is known while it is off';
    problems.push({ section: 'auth', key: 'audit_file', message });
  }
  return problems;
}

/** Users in the configuration are judged as those of `auth.file`. */
function checkUsers({ file, users, roles, certificateCn }: AuthConfig): CrossProblem[] {
  const given = (['users', 'roles'] as const).filter((key) => ({ users, roles })[key] !== undefined);
  if (given.length > 0 && file !== undefined) {
    return given.map((key) => ({
      section: 'auth',
      key,
      message: `expected either auth.${key} or auth.file: users and roles are in one place, so remove one of them`,
    }));
  }
  if (users === undefined) {
    return given.map((key) => ({ section: 'auth', key, message: 'expected auth.users beside it' }));
  }
  const parsed = parseUserList({ users, roles }, certificateCn);
  return isUserList(parsed) ? [] : parsed.map(problemOfUsers);
}

/** From a line such as `users[0].roles: expected …`. */
function problemOfUsers(line: string): CrossProblem {
  const [, key = 'users', within = '', message = line] =
    /^(users|roles)((?:\[\d+\]|\.[\w-]+|\."(?:[^"\\]|\\.)*")*): (.*)$/s.exec(line) ?? [];
  return { section: 'auth', key, within, message };
}

export function checkServerTls({ mode, cert, key, clientCa, clientAuth }: ServerTlsConfig): CrossProblem[] {
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

export function checkPeerTls({ ca, cert, key, serverName }: PeerTlsConfig): CrossProblem[] {
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

/**
 * A credential crosses a network in clear text only where `auth.allow_clear_text` says so. `others`:
 * the addresses to which this process sends its own.
 */
export function checkClearText(
  config: ConfigOf<BinaryKind>,
  self: string,
  others: readonly string[],
): CrossProblem[] {
  const { peer, auth } = config;
  const reached = others.find((address) => !isLoopbackHost(address));
  const served = checkServedClear(config);
  const isSafe = auth.allowClearText || peer.tokenFile === undefined || peer.tls.ca !== undefined;
  if (served.length > 0 || isSafe || reached === undefined) return served;
  return [clearTextProblem(`${self} sends peer.token_file to ${reached} in clear text`)];
}

export function checkServedClear({ auth, server }: ConfigOf<BinaryKind>): CrossProblem[] {
  if (auth.allowClearText || auth.mode === 'off') return [];
  if (server.tls.mode === 'required' || isLoopbackHost(server.address)) return [];
  return [
    clearTextProblem(
      `callers send their credentials to server.address ${server.address} in clear text, as server.tls.mode is ${server.tls.mode}`,
    ),
  ];
}

function clearTextProblem(reason: string): CrossProblem {
  const message = `expected true: ${reason}; use TLS, keep the network private or use a tunnel`;
  return { section: 'auth', key: 'allow_clear_text', message };
}
