/**
 * The token by which etcd knows a user. One is asked for by name and password before the first
 * call, and again where etcd no longer knows the one that a call brought: tokens end when they
 * were not used for some minutes, and with the process of the member that is asked.
 */
import { type Client, Code, ConnectError } from '@connectrpc/connect';
import type { Auth } from '#gen/etcd/etcd_pb.ts';

export interface EtcdUser {
  readonly name: string;
  /** The password as it is now. */
  readonly password: () => string;
}

/** A login that was refused is not tried again within this time, milliseconds: each costs etcd a slow hash. */
const AGAIN_MS = 1_000;

export class EtcdLogin {
  readonly #user: EtcdUser;
  readonly #monotonicMs: () => number;
  #token: Promise<string> | undefined;
  #refused: { readonly error: unknown; readonly atMs: number } | undefined;

  constructor(user: EtcdUser, monotonicMs: () => number) {
    this.#user = user;
    this.#monotonicMs = monotonicMs;
  }

  /** The token of the user; `auth` is asked where there is none. Rejects as that call does. */
  token(auth: Client<typeof Auth>, timeoutMs: number): Promise<string> {
    const there = this.#token;
    if (there !== undefined) return there;
    const asked = this.#ask(auth, timeoutMs);
    this.#token = asked;
    asked.catch(() => {
      if (this.#token === asked) this.#token = undefined;
    });
    return asked;
  }

  /** Etcd does not know this token any more. */
  async forget(token: string): Promise<void> {
    const current = this.#token;
    // Another call may have got a new one meanwhile.
    if ((await current?.catch(() => undefined)) === token && this.#token === current) this.#token = undefined;
  }

  async #ask(auth: Client<typeof Auth>, timeoutMs: number): Promise<string> {
    const refused = this.#refused;
    try {
      if (refused !== undefined && this.#monotonicMs() - refused.atMs < AGAIN_MS) throw refused.error;
      const { name, password } = this.#user;
      const { token } = await auth.authenticate({ name, password: password() }, { timeoutMs });
      this.#refused = undefined;
      return token;
    } catch (error) {
      if (isRefused(error) && error !== refused?.error) this.#refused = { error, atMs: this.#monotonicMs() };
      throw error;
    }
  }
}

/** A wrong name or password, or an etcd that asks nobody who they are. */
function isRefused(error: unknown): boolean {
  return (
    error instanceof ConnectError &&
    (error.code === Code.InvalidArgument || error.code === Code.FailedPrecondition)
  );
}

/** True if a call was refused, with nothing done, because its token is over. */
export function isTokenOver(error: unknown): boolean {
  if (!(error instanceof ConnectError)) return false;
  // So says etcd where users or roles were changed after the token was given.
  const isOld = error.code === Code.InvalidArgument && error.rawMessage.includes('auth store is old');
  return error.code === Code.Unauthenticated || isOld;
}
