/** The callers of this node and the credential that it sends to others: files, metrics and log lines around both. */
import { hostname } from 'node:os';
import { type AuthMode, Identities, type LogInFailure } from '#auth/identities.ts';
import { isToken } from '#auth/secret-hash.ts';
import { isUserList, parseUserList, type User } from '#auth/user-list.ts';
import type { BinaryKind, ConfigOf, NodeConfig } from '#config/binaries.ts';
import { upstreamsOf } from '#config/upstreams.ts';
import { parseYaml } from '#config/yaml-source.ts';
import type { AuditPort, IdentityPort } from '#model/access.ts';
import { createPeerCredential, type PeerCredential } from '#peer/peer-credential.ts';
import type { Clock } from '#platform/clock.ts';
import type { CloserStack } from '#platform/closer-stack.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { FollowedFile } from '#platform/followed-file.ts';
import { LinePaces } from '#platform/line-pace.ts';
import type { Logger } from '#platform/logger.ts';
import type { Metrics } from '#platform/metrics.ts';
import type { Random } from '#platform/random.ts';
import { readSecretFile } from '#platform/secret-file.ts';
import { openAudit } from './node-audit.ts';

export interface SecurityParts {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly closers: CloserStack;
}

type AuthConfig = ConfigOf<BinaryKind>['auth'];

/** Tells when the file of the configuration was read again: see `Settings.followFile`. */
export interface ConfiguredParts extends SecurityParts {
  readonly settings: {
    followFile(keys: readonly string[], apply: (config: { readonly auth: AuthConfig }) => boolean): void;
  };
}

/** Finds out who calls a process, and notes what they did. */
export interface Callers {
  /** Undefined: everybody may do everything. */
  readonly identities: IdentityPort | undefined;
  /** Undefined: there is no audit log. */
  readonly audit: AuditPort | undefined;
  readonly isIdentityRequired: boolean;
}

export interface NodeSecurity extends Callers {
  /** Undefined: this node sends no credential. */
  readonly credential: PeerCredential | undefined;
}

/** Throws `SecretFileError` where a file cannot be used. */
export async function openNodeSecurity(config: NodeConfig, parts: ConfiguredParts): Promise<NodeSecurity> {
  return { ...(await openCallers(config, parts)), credential: await openCredential(config, parts) };
}

/** Throws `SecretFileError` where a file cannot be used. */
export async function openCallers(
  { auth, server }: Pick<ConfigOf<BinaryKind>, 'auth' | 'server'>,
  parts: ConfiguredParts,
): Promise<Callers> {
  const { mode, auditFile } = auth;
  // With port 0 the system chooses one, which nobody knows yet.
  const name = server.advertise ?? (server.port === 0 ? hostname() : `${hostname()}:${server.port}`);
  return {
    identities: mode === 'off' ? undefined : await openIdentities(mode, auth, parts),
    audit: auditFile === undefined ? undefined : openAudit(auditFile, name, parts),
    isIdentityRequired: mode === 'required',
  };
}

async function openIdentities(mode: AuthMode, auth: AuthConfig, parts: ConfiguredParts): Promise<Identities> {
  const { clock, logger, metrics, random } = parts;
  const onChange = (users: readonly User[]): void => {
    identities.replace(users);
    logger.info({ file: auth.file ?? 'the configuration', users: users.length }, 'the users changed');
  };
  const source =
    auth.users === undefined
      ? await followFile(auth, parts, onChange)
      : followConfigured(auth, parts, onChange);
  const identities = new Identities({ mode, users: source.current, random, clock, ...countLogIns(parts) });
  metrics.gaugeFrom('walnut_auth_file_ok', '1 unless auth.file was last found unusable.', () =>
    source.isGood ? 1 : 0,
  );
  metrics.gaugeFrom('walnut_auth_users', 'Users in auth.file or auth.users.', () => source.current.length);
  metrics.gaugeFrom('walnut_auth_required', '1 where auth.mode is required, 0 where it is permissive.', () =>
    mode === 'required' ? 1 : 0,
  );
  if (mode === 'permissive') {
    logger.warn({}, 'auth.mode is permissive: callers without a credential may do everything');
  }
  return identities;
}

/** Users, as they are now. */
interface UserSource {
  readonly current: readonly User[];
  /** False where they cannot be read any more. */
  readonly isGood: boolean;
}

type OnUsers = (users: readonly User[]) => void;

function followFile(
  { file: path = '', certificateCn }: AuthConfig,
  parts: SecurityParts,
  onChange: OnUsers,
): Promise<UserSource> {
  return open(parts, path, { parse: (text) => readUsers(path, text, certificateCn), onChange });
}

/** Users in the configuration change when its file is read again. Whether another mode or file of users counts is for a restart. */
function followConfigured(auth: AuthConfig, { settings }: ConfiguredParts, onChange: OnUsers): UserSource {
  const textOf = ({ users, roles, certificateCn }: AuthConfig): string =>
    JSON.stringify([users, roles, certificateCn]);
  const source = { current: usersIn(auth), isGood: true };
  let text = textOf(auth);
  settings.followFile(['auth.users', 'auth.roles', 'auth.certificate_cn'], ({ auth: now }) => {
    if (now.users === undefined) return false;
    if (textOf(now) === text) return true;
    text = textOf(now);
    source.current = usersIn(now);
    onChange(source.current);
    return true;
  });
  return source;
}

/** Cannot fail: the configuration was checked by the same reader. */
function usersIn({ users, roles, certificateCn }: AuthConfig): readonly User[] {
  const parsed = parseUserList({ users, roles }, certificateCn);
  if (isUserList(parsed)) return parsed;
  throw new Error(parsed.join('; '));
}

/** Throws with everything that is wrong. */
function readUsers(path: string, text: string, takesCn: boolean): readonly User[] {
  const { values, problems } = parseYaml(path, text);
  const parsed = problems.length > 0 ? problems : parseUserList(values, takesCn);
  if (isUserList(parsed)) return parsed;
  throw new Error(parsed.join('; '));
}

function countLogIns({
  clock,
  logger,
  metrics,
}: SecurityParts): Pick<ConstructorParameters<typeof Identities>[0], 'onAnonymous' | 'onFailure'> {
  const anonymous = metrics.counter(
    'walnut_auth_anonymous_requests_total',
    'Requests without a credential that were admitted because auth.mode is permissive.',
  );
  const failures = metrics.counterFamily(
    'walnut_auth_failures_total',
    'Credentials that did not make their caller known, by reason.',
    ['reason'],
  );
  const paces = new LinePaces(clock);
  return {
    onAnonymous: () => anonymous.inc(),
    onFailure: (reason: LogInFailure, remoteAddress) => {
      failures.with({ reason }).inc();
      const pace = paces.take(reason);
      if (pace !== undefined) logger.warn({ reason, remoteAddress, ...pace }, 'a caller is not known');
    },
  };
}

async function openCredential(config: NodeConfig, parts: SecurityParts): Promise<PeerCredential | undefined> {
  const { tokenFile } = config.peer;
  if (tokenFile === undefined) return undefined;
  const { clock, logger } = parts;
  const paces = new LinePaces(clock);
  return createPeerCredential({
    authorization: await openToken(tokenFile, parts),
    isNameConfigured: config.peer.tls.serverName !== undefined,
    addresses: [...upstreamsOf(config), ...config.replication.replicas],
    onWithheld: (address) => {
      const pace = paces.take(address);
      const message =
        'no credential is sent to a node that this configuration does not name: add it to replication.replicas, or set peer.tls.server_name';
      if (pace !== undefined) logger.warn({ address, ...pace }, message);
    },
  });
}

/** Gives the `authorization` header for the token in a file, as it is now. */
export function openToken(path: string, parts: SecurityParts): Promise<() => string> {
  return followSecret(path, 'the token for other nodes', readToken, parts);
}

/** Gives the password in a file, as it is now. `whose`: for the log line of a change. */
export function openPassword(path: string, whose: string, parts: SecurityParts): Promise<() => string> {
  return followSecret(path, `the password of ${whose}`, readPassword, parts);
}

/** Gives what `parse` makes of the secret file, as it is now. `what`: for the log line of a change, in the singular. Throws `SecretFileError`. */
export async function followSecret<T>(
  path: string,
  what: string,
  parse: (text: string) => T,
  parts: SecurityParts,
): Promise<() => T> {
  const onChange = (): void => parts.logger.info({ file: path }, `${what} changed`);
  const file = await open(parts, path, { parse, onChange });
  return () => file.current;
}

function readPassword(text: string): string {
  const password = text.replace(/\r?\n$/, '');
  if (password === '' || /[\r\n\0]/.test(password)) throw new Error('expected one line with a password');
  return password;
}

/** The `authorization` header for the token in a file. */
function readToken(text: string): string {
  const token = text.trim();
  if (!isToken(token)) throw new Error('expected one line with a token as walnut auth new-token prints it');
  return `Bearer ${token}`;
}

async function open<T>(
  { fileSystem, clock, logger, closers }: SecurityParts,
  path: string,
  { parse, onChange }: { parse: (text: string) => T; onChange: (contents: T) => void },
): Promise<FollowedFile<T>> {
  const onBroken = (reason: string): void =>
    logger.error({ file: path, reason }, 'a changed file cannot be used: what it had before stays in force');
  const read = (): Promise<string> => readSecretFile(fileSystem, path);
  const file = await FollowedFile.open({ clock, name: path, read, parse, onChange, onBroken });
  closers.push(path, () => file.close());
  return file;
}
