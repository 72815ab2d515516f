/**
 * The token that the tool sends: to addresses that its user named. In clear text it goes to
 * no address that a node gave as a hint or as a member of its group (`parseToldAddress`).
 */
import { type Endpoint, isConfidential } from '#dial/endpoint.ts';
import { CliError, EXIT } from '../cli-error.ts';

export interface CredentialOptions {
  readonly tokenFile?: string;
  readonly allowClearText?: boolean;
}

/** Gives an endpoint that the user named the credential for its calls. */
export type WithCredential = (endpoint: Endpoint) => Endpoint;

/** Same form as tokens of `walnut auth new-token`, checked because it becomes a header. */
const TOKEN = /^walnut_[A-Za-z0-9_-]{43}$/;

/** Throws `CliError` where the token cannot be used. */
export async function readCredential(
  { tokenFile, allowClearText = false }: CredentialOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<WithCredential> {
  const given = tokenFile === undefined ? (env.WALNUT_TOKEN ?? '') : await readTokenFile(tokenFile);
  if (given === '') return (endpoint) => endpoint;
  const where = tokenFile ?? 'WALNUT_TOKEN';
  const token = given.trim();
  if (!TOKEN.test(token)) throw unusable(`${where} has no token: expected one line that begins with walnut_`);
  const authorization = (): string => `Bearer ${token}`;
  return (endpoint) => {
    if (!allowClearText && !isConfidential(endpoint))
      throw unusable(
        `the token would cross the network to ${endpoint.text} in clear text`,
        'If the node speaks TLS, type: --address https://HOST:PORT; if that network is private, say so with: --allow-clear-text',
      );
    return { ...endpoint, authorization };
  };
}

async function readTokenFile(path: string): Promise<string> {
  // Most commands have no token file, and load none of this.
  const [{ readSecretFile }, { createNodeFileSystem }] = await Promise.all([
    import('#platform/secret-file.ts'),
    import('#platform/node-file-system.ts'),
  ]);
  try {
    return await readSecretFile(createNodeFileSystem(), path);
  } catch (error) {
    throw unusable((error as Error).message);
  }
}

function unusable(message: string, advice?: string): CliError {
  return new CliError(EXIT.usage, message, advice ?? 'A token file is written with: walnut auth new-token');
}
