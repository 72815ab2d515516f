/**
 * Tokens, passwords, and what `auth.file` stores instead of them:
 *
 *     sha256:<64 hex digits>                        of a token, 256 random bits
 *     scrypt:14:8:5:<salt, base64url>:<hash, base64url>   of a chosen password
 *
 * SHA-256 is enough where nobody can guess what was hashed, and costs a microsecond. A
 * chosen password can be guessed, so each try costs 16 MiB and about 0.2 s (log2 N = 14,
 * r = 8, p = 5). The parameters are fixed: others would tell by time whose password it is.
 */
import { createHash, scrypt, timingSafeEqual } from 'node:crypto';
import type { Random } from '#platform/random.ts';

const TOKEN_PREFIX = 'walnut_';
const TOKEN = /^walnut_[A-Za-z0-9_-]{43}$/;
const SHA256 = /^sha256:([0-9a-f]{64})$/;
const SCRYPT = /^scrypt:14:8:5:([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})$/;
const COST = { N: 2 ** 14, r: 8, p: 5 } as const;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

export interface PasswordHash {
  readonly salt: Buffer;
  readonly hash: Buffer;
}

export type SecretHash =
  | { readonly kind: 'token'; readonly digest: string }
  | ({ readonly kind: 'password' } & PasswordHash);

/** How a password becomes a hash: asynchronous, on libuv's threads. */
export type Derive = (password: string, salt: Buffer) => Promise<Buffer>;

/** What hashes are called in messages. */
export const HASH_FORM = 'what walnut auth new-token or walnut auth hash-password printed';

/** Undefined where it is not `HASH_FORM`. */
export function parseHash(text: string): SecretHash | undefined {
  const digest = SHA256.exec(text)?.[1];
  if (digest !== undefined) return { kind: 'token', digest };
  const [, salt, hash] = SCRYPT.exec(text) ?? [];
  if (salt === undefined || hash === undefined) return undefined;
  return { kind: 'password', salt: Buffer.from(salt, 'base64url'), hash: Buffer.from(hash, 'base64url') };
}

export function newToken(random: Random): string {
  return TOKEN_PREFIX + Buffer.from(random.id128() + random.id128(), 'hex').toString('base64url');
}

export function isToken(secret: string): boolean {
  return TOKEN.test(secret);
}

/** Hex. */
export function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export function hashOfToken(token: string): string {
  return `sha256:${digestOf(token)}`;
}

export async function hashPassword(
  password: string,
  random: Random,
  derive: Derive = deriveByScrypt,
): Promise<string> {
  const salt = Buffer.from(random.id128(), 'hex');
  const hash = await derive(password, salt);
  return `scrypt:14:8:5:${salt.toString('base64url')}:${hash.toString('base64url')}`;
}

/** What the passwords of unknown users are compared with: nothing has this hash but by chance. */
export const NOBODYS_HASH: PasswordHash = {
  salt: Buffer.alloc(SALT_BYTES, 7),
  hash: Buffer.alloc(HASH_BYTES),
};

export async function isPassword(
  password: string,
  { salt, hash }: PasswordHash,
  derive: Derive,
): Promise<boolean> {
  const derived = await derive(password, salt);
  return derived.length === hash.length && timingSafeEqual(derived, hash);
}

export const deriveByScrypt: Derive = (password, salt) =>
  new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, HASH_BYTES, COST, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
