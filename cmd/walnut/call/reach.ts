/**
 * How the tool reaches the addresses that its user named: by TLS where they begin with
 * `https://`, and with the user's token. Files are read when the first address is reached,
 * so that commands that call no node need none.
 */
import { type Endpoint, type TlsDialer, writtenAddress } from '#dial/endpoint.ts';
import type { NamedAddress } from '../arguments.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { type CredentialOptions, readCredential } from './credential.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface ReachOptions extends CredentialOptions {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
}

/** Rejects with `CliError` where the address may not be called with what the user gave. */
export type Reach = (named: NamedAddress) => Promise<Endpoint>;

const TLS_OPTIONS = {
  caFile: '--ca-file',
  certFile: '--cert-file',
  keyFile: '--key-file',
  serverName: '--server-name',
} as const;

export function createReach(options: ReachOptions, env: Environment): Reach {
  let credential: ReturnType<typeof readCredential> | undefined;
  let tls: Promise<TlsDialer> | undefined;
  return async ({ isTls, ...address }) => {
    if (!isTls) refuseUnused(options, address.text);
    else tls ??= openTls(options, env);
    // Awaited before the next read begins: a rejection that nobody awaits yet ends the process as a bug.
    const dialer = isTls ? await tls : undefined;
    credential ??= readCredential(options, env);
    return (await credential)({ ...address, tls: dialer });
  };
}

function refuseUnused(options: ReachOptions, text: string): void {
  const [, unused] =
    Object.entries(TLS_OPTIONS).find(([name]) => options[name as keyof typeof TLS_OPTIONS] !== undefined) ??
    [];
  if (unused !== undefined)
    throw usage(`${unused} goes with an address by TLS`, `Type: --address ${writtenAddress(text, true)}`);
}

async function openTls(options: ReachOptions, env: Environment): Promise<TlsDialer> {
  const [{ createTlsDialer }, { readPublicFile, readSecretFile }, { createNodeFileSystem }] =
    await Promise.all([
      import('#dial/tls-dialer.ts'),
      import('#platform/secret-file.ts'),
      import('#platform/node-file-system.ts'),
    ]);
  const { caFile, certFile, keyFile, serverName } = withEnvironment(options, env);
  if ((certFile === undefined) !== (keyFile === undefined))
    throw usage('--cert-file and --key-file go together', 'Name both, or neither.');
  const fileSystem = createNodeFileSystem();
  try {
    const material = {
      ca: caFile && (await readPublicFile(fileSystem, caFile)),
      cert: certFile && (await readPublicFile(fileSystem, certFile)),
      key: keyFile && (await readSecretFile(fileSystem, keyFile)),
    };
    return createTlsDialer({ material: () => material, serverName });
  } catch (error) {
    throw usage((error as Error).message, 'How to make certificates: docs/security.md');
  }
}

/** An empty variable is as none. */
function withEnvironment(options: ReachOptions, env: Environment): ReachOptions {
  return {
    caFile: options.caFile ?? (env.WALNUT_CA_FILE || undefined),
    certFile: options.certFile ?? (env.WALNUT_CERT_FILE || undefined),
    keyFile: options.keyFile ?? (env.WALNUT_KEY_FILE || undefined),
    serverName: options.serverName ?? (env.WALNUT_SERVER_NAME || undefined),
  } as ReachOptions;
}

function usage(message: string, advice: string): CliError {
  return new CliError(EXIT.usage, message, advice);
}
