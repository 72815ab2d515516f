/** What keys of `coordinator.metadata` need of each other. Pure. */
import type { CrossProblem } from '#config/check-security.ts';
import type { MetadataConfig } from '#config/sections/coordinator.ts';
import { isLoopbackHost } from '#model/address.ts';

/** `mayBeClear`: `auth.allow_clear_text`. */
export function checkMetadata(config: MetadataConfig, mayBeClear: boolean): CrossProblem[] {
  return [...checkKind(config), ...checkFiles(config), ...checkUser(config, mayBeClear)];
}

function problem(name: string, message: string): CrossProblem {
  return { section: 'coordinator', key: `metadata.${name}`, message };
}

function checkKind(config: MetadataConfig): CrossProblem[] {
  const { kind, file, endpoints, ca, cert, key, serverName, username, passwordFile } = config;
  const beside = (other: string): string => `expected coordinator.metadata.kind: ${other} beside it`;
  if (kind === 'file') {
    const ofEtcd = { ca, cert, key, server_name: serverName, username, password_file: passwordFile };
    const names = Object.entries({ endpoints: endpoints[0], ...ofEtcd })
      .filter(([, value]) => value !== undefined)
      .map(([name]) => name);
    const foreign = names.map((name) => problem(name, beside('etcd')));
    const missing = 'missing: expected the path of the file that keeps the map, as metadata.kind is file';
    return file === undefined ? [...foreign, problem('file', missing)] : foreign;
  }
  const foreign = file === undefined ? [] : [problem('file', beside('file'))];
  const missing =
    'missing: expected the addresses of etcd, such as ["etcd-1:2379"], as metadata.kind is etcd';
  return endpoints.length === 0 ? [...foreign, problem('endpoints', missing)] : foreign;
}

function checkFiles({ kind, ca, cert, key, serverName }: MetadataConfig): CrossProblem[] {
  if (kind === 'file') return [];
  const [given] = Object.entries({ cert, key, server_name: serverName }).find(([, value]) => value) ?? [];
  if (ca === undefined && given !== undefined) {
    const message = `missing: expected the file with the authorities of etcd's members, as metadata.${given} is there`;
    return [problem('ca', message)];
  }
  if ((cert === undefined) === (key === undefined)) return [];
  const [missing, there] = cert === undefined ? ['cert', 'key'] : ['key', 'cert'];
  return [problem(missing, `missing: expected a file in PEM, as metadata.${there} is there`)];
}

function checkUser(
  { kind, endpoints, ca, username, passwordFile }: MetadataConfig,
  mayBeClear: boolean,
): CrossProblem[] {
  if (kind === 'file') return [];
  if (username === undefined)
    return passwordFile === undefined
      ? []
      : [
          problem(
            'username',
            'missing: expected the name of a user of etcd, as metadata.password_file is there',
          ),
        ];
  if (passwordFile === undefined)
    return [
      problem('password_file', 'missing: expected the file with the password, as metadata.username is there'),
    ];
  const reached = endpoints.find((address) => !isLoopbackHost(address));
  if (ca !== undefined || mayBeClear || reached === undefined) return [];
  const message = `missing: the password goes to ${reached} in clear text: expected the file with the authorities of etcd's members, or auth.allow_clear_text: true where that network is private`;
  return [problem('ca', message)];
}
