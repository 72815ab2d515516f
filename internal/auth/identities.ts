/**
 * Finds the caller: from the `authorization` header, or the client certificate where there is no
 * header, to a principal. Verified credentials are
 * remembered, for their connection by their bytes and, where a password had to be hashed,
 * for the process by a keyed digest. A change of the users empties the first memory, and
 * takes from the second the users that are retired by it.
 */
import { createHmac } from 'node:crypto';
import { type Credential, isEqualText, parseAuthorization } from '#auth/credential.ts';
import { GUESS_EVERY_MS } from '#auth/password-pace.ts';
import { type NoPlace, PasswordQueue } from '#auth/password-queue.ts';
import { createPrincipal } from '#auth/rights.ts';
import {
  type Derive,
  deriveByScrypt,
  digestOf,
  isPassword,
  isToken,
  NOBODYS_HASH,
  type PasswordHash,
} from '#auth/secret-hash.ts';
import type { User } from '#auth/user-list.ts';
import { ANONYMOUS, type IdentityPort, type Peer, type Principal } from '#model/access.ts';
import type { Awaitable } from '#model/awaitable.ts';
import { type ErrorCode, WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import type { Random } from '#platform/random.ts';

/** Verified passwords that are remembered. */
const REMEMBERED_MAX = 1_024;

/** Stands for the hash in the entry of a user that another one vouches for. */
const VOUCHED = 'vouched';

export type AuthMode = 'permissive' | 'required';

/** Why a caller is not known: the label of a metric. */
export type LogInFailure = 'missing' | 'malformed' | 'wrong' | NoPlace | 'unchecked' | 'ambiguous';

export interface IdentitiesOptions {
  readonly mode: AuthMode;
  readonly users: readonly User[];
  /** A call without a credential was admitted. */
  readonly onAnonymous: () => void;
  readonly onFailure: (failure: LogInFailure, remoteAddress: string) => void;
  readonly random: Random;
  readonly clock: Clock;
  readonly derive?: Derive;
}

/** One hash, or one name of a certificate, of one user. */
interface Entry {
  /** Equal for the same user with the same rights and the same hash. */
  readonly id: string;
  readonly user: User;
  readonly principal: Principal;
  readonly retire: () => void;
}

interface Password extends Entry {
  readonly hash: PasswordHash;
}

interface Remembered {
  readonly authorization: string;
  readonly principal: Principal;
}

export class Identities implements IdentityPort {
  readonly #options: IdentitiesOptions;
  readonly #derive: Derive;
  readonly #queue: PasswordQueue;
  /** Verified passwords are remembered by their digest under this key. */
  readonly #memoryKey: string;
  /** By the digest of the token. */
  #tokens = new Map<string, Entry>();
  /** By the name of the user. */
  #passwords = new Map<string, readonly Password[]>();
  /** By the name of the user, for those who vouch for it. */
  #named = new Map<string, Entry>();
  /** By a name in a certificate. */
  #certificates = new Map<string, Entry>();
  /** Hashes that a wrong password is compared with, for every name. */
  #rounds = 1;
  #ofConnections = new WeakMap<object, Remembered>();
  /** By the names of a connection's certificate. */
  #ofCertificates = new WeakMap<readonly string[], Principal>();
  readonly #verified = new Map<string, Principal>();
  #underWay = new Map<string, Promise<Principal | WalnutError>>();

  constructor(options: IdentitiesOptions) {
    this.#options = options;
    this.#memoryKey = options.random.id128() + options.random.id128();
    this.#derive = options.derive ?? deriveByScrypt;
    this.#queue = new PasswordQueue(options.clock);
    this.replace(options.users);
  }

  /** From now on these are the users. A principal stays where its user has the same rights and the same hash. */
  replace(users: readonly User[]): void {
    const before = new Map(this.#entries().map((entry) => [entry.id, entry]));
    const now = new Map<string, Entry>();
    const make = (user: User, hash: string): Entry => {
      const id = JSON.stringify([user.name, user.grants, hash]);
      // One entry for each id: a second one could not be found again, and would never be retired.
      const entry = now.get(id) ?? before.get(id) ?? newEntry(id, user);
      now.set(id, entry);
      return entry;
    };
    const tokens = new Map<string, Entry>();
    const passwords = new Map<string, readonly Password[]>();
    const certificates = new Map<string, Entry>();
    const named = new Map<string, Entry>();
    for (const user of users) {
      named.set(user.name, make(user, VOUCHED));
      const ofUser: Password[] = [];
      for (const hash of user.hashes) {
        if (hash.kind === 'token') tokens.set(hash.digest, make(user, hash.digest));
        else ofUser.push({ ...make(user, hash.hash.toString('hex')), hash });
      }
      if (ofUser.length > 0) passwords.set(user.name, ofUser);
      for (const name of user.certificates) certificates.set(name, make(user, name));
    }
    this.#tokens = tokens;
    this.#passwords = passwords;
    this.#certificates = certificates;
    this.#named = named;
    this.#rounds = Math.max(1, ...[...passwords.values()].map(({ length }) => length));
    this.#ofConnections = new WeakMap();
    this.#ofCertificates = new WeakMap();
    for (const [id, { retire }] of before) if (!now.has(id)) retire();
    for (const [key, principal] of this.#verified) if (isRetired(principal)) this.#verified.delete(key);
    // A password that was wrong for the users before may be right for these.
    this.#underWay = new Map();
  }

  identify(
    authorization: string | undefined,
    connection: object,
    peer: Peer,
  ): Awaitable<Principal | WalnutError> {
    if (authorization === undefined) return this.#withoutHeader(peer);
    const { remoteAddress } = peer;
    const remembered = this.#ofConnections.get(connection);
    if (remembered !== undefined && isEqualText(remembered.authorization, authorization))
      return remembered.principal;
    const found = this.#find(authorization, remoteAddress);
    if (found instanceof Promise) return found;
    if (!(found instanceof WalnutError))
      this.#ofConnections.set(connection, { authorization, principal: found });
    return found;
  }

  named(user: string): Principal | undefined {
    return this.#named.get(user)?.principal;
  }

  /** A certificate with names of no user makes its owner nobody; one with names of two belongs to neither. */
  #withoutHeader({ remoteAddress, certificateNames: names }: Peer): Principal | WalnutError {
    if (names === undefined) return this.#nobody(remoteAddress);
    const remembered = this.#ofCertificates.get(names);
    if (remembered !== undefined) return remembered;
    const found = names.flatMap((name) => this.#certificates.get(name) ?? []);
    const [first] = found;
    if (first === undefined) return this.#nobody(remoteAddress);
    if (found.some(({ user }) => user.name !== first.user.name))
      return this.#fail('ambiguous', remoteAddress);
    this.#ofCertificates.set(names, first.principal);
    return first.principal;
  }

  #nobody(remoteAddress: string): Principal | WalnutError {
    if (this.#options.mode === 'required') return this.#fail('missing', remoteAddress);
    this.#options.onAnonymous();
    return ANONYMOUS;
  }

  #find(authorization: string, remoteAddress: string): Awaitable<Principal | WalnutError> {
    const credential = parseAuthorization(authorization);
    if (credential === undefined) return this.#fail('malformed', remoteAddress);
    if (isToken(credential.secret)) return this.#findToken(credential, remoteAddress);
    if (credential.kind === 'bearer') return this.#fail('wrong', remoteAddress);
    const key = createHmac('sha256', this.#memoryKey).update(authorization).digest('base64');
    return this.#verified.get(key) ?? this.#underWay.get(key) ?? this.#begin(key, credential, remoteAddress);
  }

  #findToken(credential: Credential, remoteAddress: string): Principal | WalnutError {
    const entry = this.#tokens.get(digestOf(credential.secret));
    const isOwn = credential.kind === 'bearer' || entry?.user.name === credential.name;
    return entry !== undefined && isOwn ? entry.principal : this.#fail('wrong', remoteAddress);
  }

  /** Several calls may bring the same password while it is being hashed: it is hashed once. */
  #begin(
    key: string,
    credential: Extract<Credential, { kind: 'basic' }>,
    remoteAddress: string,
  ): Awaitable<Principal | WalnutError> {
    const { name, secret } = credential;
    const hashing = this.#queue.tryRun(remoteAddress, () => this.#findPassword(name, secret));
    if (!(hashing instanceof Promise)) return this.#fail(hashing, remoteAddress);
    const underWay = this.#underWay;
    const settled = hashing.then(
      (found) => {
        underWay.delete(key);
        // The users may have changed meanwhile.
        if (found === undefined || isRetired(found)) return this.#fail('wrong', remoteAddress);
        remember(this.#verified, key, found);
        return found;
      },
      () => {
        underWay.delete(key);
        return this.#fail('unchecked', remoteAddress);
      },
    );
    underWay.set(key, settled);
    return settled;
  }

  /** Hashes as often for a name that nobody has as for a wrong password of any user. */
  async #findPassword(name: string, secret: string): Promise<Principal | undefined> {
    const own = this.#passwords.get(name) ?? [];
    const rounds = this.#rounds;
    for (let i = 0; i < rounds; i++) {
      const isRight = await isPassword(secret, own[i]?.hash ?? NOBODYS_HASH, this.#derive);
      if (isRight && own[i] !== undefined) return own[i]?.principal;
    }
    return undefined;
  }

  #fail(failure: LogInFailure, remoteAddress: string): WalnutError {
    this.#options.onFailure(failure, remoteAddress);
    return REFUSALS[failure];
  }

  #entries(): readonly Entry[] {
    return [
      ...this.#tokens.values(),
      ...[...this.#passwords.values()].flat(),
      ...this.#certificates.values(),
      ...this.#named.values(),
    ];
  }
}

function newEntry(id: string, user: User): Entry {
  const retired = new AbortController();
  return {
    id,
    user,
    principal: createPrincipal(user.name, user.grants, retired.signal),
    retire: () => retired.abort(),
  };
}

function isRetired({ retired }: Principal): boolean {
  return retired?.aborted === true;
}

function remember(verified: Map<string, Principal>, key: string, principal: Principal): void {
  const [oldest] = verified.keys();
  if (verified.size >= REMEMBERED_MAX && oldest !== undefined) verified.delete(oldest);
  verified.set(key, principal);
}

function unauthenticated(message: string): WalnutError {
  return new WalnutError('unauthenticated', message, { nothingDone: true, isChallenge: true });
}

function tryLater(code: ErrorCode, message: string, retryAfterS: number): WalnutError {
  return new WalnutError(code, message, { nothingDone: true, retryAfterS });
}

/** Made once: they are the same for everybody, and a flood of them must cost little. */
const REFUSALS: Readonly<Record<LogInFailure, WalnutError>> = {
  missing: unauthenticated(
    'this node needs a credential: send the header "authorization: Bearer TOKEN", or user and password as HTTP Basic; ' +
      'walnut takes --token-file FILE or WALNUT_TOKEN',
  ),
  ambiguous: unauthenticated(
    'the client certificate has names of several users: expected one user that has any of them',
  ),
  malformed: unauthenticated(
    'the authorization header is not understood: expected one, with Bearer TOKEN or Basic',
  ),
  wrong: unauthenticated('the token, or the user and the password, are not known to this node'),
  paced: tryLater(
    'rate_limited',
    'too many passwords came from your network, and some were wrong: try again later, or use a token',
    GUESS_EVERY_MS / 1_000,
  ),
  busy: tryLater('unavailable', 'too many passwords are being checked: try again, or use a token', 1),
  unchecked: tryLater('unavailable', 'the password could not be checked: try again, or use a token', 1),
};
