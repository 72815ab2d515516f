/** Writes one key after the other, each until it is acknowledged, whatever happens to the nodes. */
import { Code, ConnectError } from '@connectrpc/connect';
import type { WalnutClient } from '../../client/walnut-client.ts';
import { pause } from './real-node.ts';

const FAILURES_MAX = 10;

export class SteadyWriter {
  readonly acknowledged = new Map<string, string>();
  /** Calls that met a node that was starting or stopping. */
  refusals = 0;
  /** What else calls ended with. */
  readonly failures: string[] = [];
  #client: WalnutClient;
  #isOver = false;
  readonly #running: Promise<void>;

  constructor(client: WalnutClient) {
    this.#client = client;
    this.#running = this.#run();
  }

  /** Goes on with another client. Resolves when the calls of the one before are answered. */
  async use(client: WalnutClient): Promise<void> {
    const before = this.#client;
    this.#client = client;
    await before.close();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    await this.#client.close();
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#isOver && this.failures.length < FAILURES_MAX; i++) {
      if (await this.#isWritten(`written:${i}`, `value ${i}`)) await pause(5);
      else {
        i--;
        await pause(20);
      }
    }
  }

  /** A repeat has the name of the write that it repeats. */
  async #isWritten(key: string, value: string): Promise<boolean> {
    try {
      await this.#client.set(key, Buffer.from(value), { requestId: key });
      this.acknowledged.set(key, value);
      return true;
    } catch (error) {
      const { code, message } = ConnectError.from(error);
      if (code === Code.Unavailable) this.refusals++;
      else this.failures.push(message);
      return false;
    }
  }
}
