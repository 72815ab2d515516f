/**
 * Writes one key after the other to a group, each until a node acknowledges it, while nodes are
 * stopped and started. Its writes have no names, which release 0.1.0 could not read.
 */
import { pause } from '#test/torture/node-process.ts';

const CALL_MS_MAX = 2_000;
const PAUSE_MS = 5;

export class SteadyLoad {
  readonly #addresses: readonly string[];
  readonly #running: Promise<void>;
  #written = 0;
  /** Calls that a node refused or did not answer: another node is tried, then the same again. */
  refusals = 0;
  #isHeld = false;
  /** True while no call is under way and none begins. */
  #isQuiet = true;
  #isOver = false;

  constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
    this.#running = this.#run();
  }

  /** Stops writing until `release`; resolves with the number of keys when all of them are acknowledged. */
  async hold(): Promise<number> {
    this.#isHeld = true;
    while (!this.#isQuiet && !this.#isOver) await pause(PAUSE_MS);
    return this.#written;
  }

  release(): void {
    this.#isHeld = false;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  /** The keys that `address` does not have as they were written. */
  async missingAt(address: string): Promise<string[]> {
    const missing: string[] = [];
    for (let i = 0; i < this.#written; i++) {
      const { body } = await call(address, 'Get', { key: keyOf(i) });
      if (body['value'] !== valueText(i)) missing.push(keyOf(i));
    }
    return missing;
  }

  async #run(): Promise<void> {
    for (let at = 0; !this.#isOver; await pause(PAUSE_MS)) {
      this.#isQuiet = this.#isHeld;
      if (this.#isHeld) continue;
      while (!(await this.#isTaken(this.#addresses[at] ?? ''))) {
        if (this.#isOver) return;
        this.refusals++;
        at = (at + 1) % this.#addresses.length;
        await pause(PAUSE_MS);
      }
      this.#written++;
    }
  }

  async #isTaken(address: string): Promise<boolean> {
    const request = { key: keyOf(this.#written), value: valueText(this.#written) };
    try {
      return (await call(address, 'Set', request)).status === 200;
    } catch {
      return false;
    }
  }
}

function keyOf(i: number): string {
  return `load-${i}`;
}

function valueText(i: number): string {
  return Buffer.from(`load ${i}`).toString('base64');
}

async function call(
  address: string,
  method: string,
  request: Readonly<Record<string, unknown>>,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const answer = await fetch(`http://${address}/walnut.v1.KVStore/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(CALL_MS_MAX),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}
