/**
 * The contents of `auth.file`, or `auth.users` and `auth.roles` of a configuration, as users with their
 * grants. Pure: everything wrong is reported at once, each line with the place in the structure, such as
 * `users[0].roles: expected …`.
 */
import { namesSomething } from '#auth/rights.ts';
import { BUILT_IN_ROLES, type Grant, OWN_ACCESS, type Role } from '#auth/roles.ts';
import { HASH_FORM, parseHash, type SecretHash } from '#auth/secret-hash.ts';
import type { Access } from '#model/access.ts';
import { KEY_BYTES_MAX, utf8Length } from '#model/limits.ts';

const USERS_MAX = 1_000;
const HASHES_MAX = 16;
const CERTIFICATES_MAX = 16;
const PASSWORDS_MAX = 2;
const GRANTS_MAX = 64;
const PREFIXES_MAX = 256;
const METHODS_MAX = 64;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;
const NAME_FORM = 'a name of up to 64 of A-Z a-z 0-9 . _ @ -';

export interface User {
  readonly name: string;
  /** The names of the roles that the grants are of. */
  readonly roles: readonly string[];
  readonly grants: readonly Grant[];
  readonly hashes: readonly SecretHash[];
  /** Names in client certificates: see `Peer`. */
  readonly certificates: readonly string[];
}

/** Stands for a grant that cannot be read: the file is refused for it. */
const NO_GRANT: Grant = { access: [], methods: [], prefixes: [] };

/** What is wrong with a file, one line each. */
export type Problems = readonly string[];

/** `takesCn`: whether the CN of a client certificate may name a user. */
export function parseUserList(
  values: Readonly<Record<string, unknown>>,
  takesCn = true,
): readonly User[] | Problems {
  return new UserListReader(takesCn).read(values);
}

export function isUserList(parsed: readonly User[] | Problems): parsed is readonly User[] {
  return typeof parsed[0] !== 'string';
}

class UserListReader {
  readonly #problems: string[] = [];
  readonly #roles = new Map(BUILT_IN_ROLES);
  readonly #hashes = new Set<string>();
  readonly #certificates = new Set<string>();
  readonly #takesCn: boolean;

  constructor(takesCn: boolean) {
    this.#takesCn = takesCn;
  }

  read(values: Readonly<Record<string, unknown>>): readonly User[] | Problems {
    this.#checkKeys('', values, ['users', 'roles']);
    for (const [i, each] of this.#list('roles', values['roles'], USERS_MAX).entries())
      this.#readRole(`roles[${i}]`, each);
    const users = this.#list('users', values['users'], USERS_MAX).flatMap(
      (each, i) => this.#readUser(`users[${i}]`, each) ?? [],
    );
    if (new Set(users.map(({ name }) => name)).size < users.length)
      this.#problems.push('users: two have the same name');
    if (users.length === 0)
      this.#problems.push('users: expected at least one; walnut auth init writes a file to begin with');
    return this.#problems.length > 0 ? this.#problems : users;
  }

  #readRole(at: string, value: unknown): void {
    const fields = this.#fields(at, value, ['name', 'grants']);
    if (fields === undefined) return;
    const name = this.#name(`${at}.name`, fields['name']);
    if (this.#roles.has(name)) this.#problems.push(`${at}.name: there is a role ${name} already`);
    const grants = this.#list(`${at}.grants`, fields['grants'], GRANTS_MAX);
    this.#roles.set(
      name,
      grants.map((each, i) => this.#readGrant(`${at}.grants[${i}]`, each)),
    );
  }

  #readGrant(at: string, value: unknown): Grant {
    const fields = this.#fields(at, value, ['access', 'methods', 'prefixes']);
    if (fields === undefined) return NO_GRANT;
    const access = this.#texts(
      `${at}.access`,
      fields['access'],
      OWN_ACCESS.length,
      isOwnAccess,
      `one of ${OWN_ACCESS.join(', ')}`,
    );
    const isOfKeys = access.some((each) => each === 'read' || each === 'write');
    const { methods = ['*'], prefixes } = fields;
    if (isOfKeys && prefixes === undefined)
      this.#problems.push(`${at}.prefixes: missing: expected a list such as ["app:"], or [""] for every key`);
    return {
      access: access as Access[],
      methods: this.#texts(
        `${at}.methods`,
        methods,
        METHODS_MAX,
        namesSomething,
        'a method such as KVStore/Get or KVStore/*, a page such as /metrics, or *',
      ),
      prefixes:
        prefixes === undefined
          ? []
          : this.#texts(
              `${at}.prefixes`,
              prefixes,
              PREFIXES_MAX,
              isPrefix,
              `at most ${KEY_BYTES_MAX} bytes of well-formed text`,
            ),
    };
  }

  #readUser(at: string, value: unknown): User | undefined {
    const fields = this.#fields(at, value, ['name', 'roles', 'tokens', 'certificates']);
    if (fields === undefined) return undefined;
    const name = this.#name(`${at}.name`, fields['name']);
    if (name === 'anonymous') this.#problems.push(`${at}.name: anonymous is who brings no credential`);
    const roles = this.#texts(
      `${at}.roles`,
      fields['roles'],
      GRANTS_MAX,
      (role) => this.#roles.has(role),
      `one of ${[...this.#roles.keys()].join(', ')}`,
    );
    const certificates = this.#readCertificates(`${at}.certificates`, fields['certificates']);
    const hashes = this.#readHashes(`${at}.tokens`, fields['tokens'], certificates.length > 0);
    const grants = roles.flatMap((role): Role => this.#roles.get(role) ?? []);
    return { name, roles, grants, hashes, certificates };
  }

  #readHashes(at: string, value: unknown, mayLack: boolean): readonly SecretHash[] {
    if (value === undefined && mayLack) return [];
    const isHash = (text: string): boolean => parseHash(text) !== undefined;
    const texts = this.#texts(at, value, HASHES_MAX, isHash, HASH_FORM);
    const hashes = texts.flatMap((text) => parseHash(text) ?? []);
    this.#checkHashes(at, hashes);
    return hashes;
  }

  #readCertificates(at: string, value: unknown): readonly string[] {
    if (value === undefined) return [];
    const names = this.#texts(at, value, CERTIFICATES_MAX, isCertificateName, CERTIFICATE_FORM);
    return names.map((text) => {
      const name = text.startsWith('dns:') ? text.toLowerCase() : text;
      if (this.#certificates.has(name)) this.#problems.push(`${at}: ${shown(name)} is there twice`);
      if (name.startsWith('cn:') && !this.#takesCn)
        this.#problems.push(`${at}: a cn: needs auth.certificate_cn: true; a dns:, uri: or email: does not`);
      this.#certificates.add(name);
      return name;
    });
  }

  #checkHashes(at: string, hashes: readonly SecretHash[]): void {
    if (hashes.filter(({ kind }) => kind === 'password').length > PASSWORDS_MAX)
      this.#problems.push(`${at}: expected at most ${PASSWORDS_MAX} hashes of passwords`);
    for (const hash of hashes) {
      const text = hash.kind === 'token' ? hash.digest : hash.hash.toString('hex');
      if (this.#hashes.has(text))
        this.#problems.push(`${at}: a ${hash.kind} is there twice; make another one for each user`);
      this.#hashes.add(text);
    }
  }

  #fields(
    at: string,
    value: unknown,
    names: readonly string[],
  ): Readonly<Record<string, unknown>> | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.#problems.push(`${at}: expected ${names.join(', ')} below it`);
      return undefined;
    }
    this.#checkKeys(`${at}.`, value as Record<string, unknown>, names);
    return value as Record<string, unknown>;
  }

  #checkKeys(at: string, values: Readonly<Record<string, unknown>>, names: readonly string[]): void {
    for (const key of Object.keys(values)) {
      if (!names.includes(key))
        this.#problems.push(`${at}${shown(key)}: unknown key: expected ${names.join(', ')}`);
    }
  }

  #list(at: string, value: unknown, max: number): readonly unknown[] {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value) && value.length <= max) return value;
    this.#problems.push(`${at}: expected a list of at most ${max}`);
    return [];
  }

  #texts(
    at: string,
    value: unknown,
    max: number,
    isOne: (text: string) => boolean,
    form: string,
  ): readonly string[] {
    const list = this.#list(at, value, max);
    if (list.length === 0) this.#problems.push(`${at}: expected a list: ${form}`);
    return list.filter((each, i): each is string => {
      if (typeof each === 'string' && isOne(each)) return true;
      this.#problems.push(`${at}[${i}]: expected ${form}`);
      return false;
    });
  }

  #name(at: string, value: unknown): string {
    if (typeof value === 'string' && NAME.test(value)) return value;
    this.#problems.push(`${at}: expected ${NAME_FORM}`);
    return '';
  }
}

const CERTIFICATE_FORM = 'dns:NAME, uri:URI, email:ADDRESS or cn:NAME, of at most 256 characters';

function isCertificateName(text: string): boolean {
  return /^(dns|uri|email):[!-~]{1,256}$/.test(text) || /^cn:\P{Cc}{1,256}$/u.test(text);
}

function isOwnAccess(text: string): boolean {
  return (OWN_ACCESS as readonly string[]).includes(text);
}

function isPrefix(text: string): boolean {
  return text.isWellFormed() && utf8Length(text) <= KEY_BYTES_MAX;
}

/** A key of the file may be any text. */
function shown(key: string): string {
  return /^[\w-]{1,64}$/.test(key) ? key : JSON.stringify(key.slice(0, 64));
}
