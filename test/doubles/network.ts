/**
 * Links between nodes of one process: calls go straight to the other node's
 * ports, copied as a wire would, and can be cut or made to fail after they took
 * effect. Nothing here waits by itself.
 */
import type { UpdatesAnswer } from '#model/commands.ts';
import { unavailable } from '#model/errors.ts';
import type { NodePorts } from '#model/ports.ts';
import type { SnapshotChunk } from '#model/replication.ts';
import type { PeerDialer, PeerLink } from '#replication/peer-link.ts';

export class TestNetwork {
  readonly #nodes = new Map<string, NodePorts>();
  readonly #cuts = new Set<string>();
  readonly #lossy = new Set<string>();
  /** Calls that went through, by `method from>to`. */
  readonly calls = new Map<string, number>();

  attach(address: string, ports: NodePorts): void {
    this.#nodes.set(address, ports);
  }

  /** The process behind the address is gone. */
  detach(address: string): void {
    this.#nodes.delete(address);
  }

  /** Calls from one address to the other fail before they arrive. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Calls arrive and take effect, but the answers are lost. */
  loseAnswers(from: string, to: string): void {
    this.#lossy.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
    this.#lossy.clear();
  }

  dialer(from: string): PeerDialer {
    return { dial: (to) => this.#link(from, to) };
  }

  #link(from: string, to: string): PeerLink {
    let isClosed = false;
    const reach = async <T>(method: string, call: (ports: NodePorts) => T | Promise<T>): Promise<T> => {
      const ports = this.#nodes.get(to);
      const way = `${from}>${to}`;
      if (isClosed || ports === undefined || this.#cuts.has(way)) throw unavailable(`${to} cannot be reached`);
      this.calls.set(`${method} ${way}`, (this.calls.get(`${method} ${way}`) ?? 0) + 1);
      const answer = await call(ports);
      if (this.#lossy.has(way)) throw unavailable(`${to} did not answer`);
      return answer;
    };
    const network = this;
    return {
      register: (request) => reach('register', (ports) => ports.replication.register(request, '10.0.0.1')),
      replicate: (request) =>
        reach('replicate', (ports) =>
          ports.replication.replicate({ ...request, frames: new Uint8Array(request.frames) }),
        ),
      getUpdates: (command) =>
        reach('getUpdates', async (ports): Promise<UpdatesAnswer> => {
          const answer = await ports.keyValue.getUpdates(command);
          return { ...answer, frames: new Uint8Array(answer.frames) };
        }),
      async *fetchSnapshot(logId, options): AsyncGenerator<SnapshotChunk> {
        const chunks = await reach('fetchSnapshot', (ports) =>
          ports.replication.fetchSnapshot(logId, options.signal ?? new AbortController().signal),
        );
        for await (const chunk of chunks) {
          if (network.#cuts.has(`${from}>${to}`)) throw unavailable(`${to} cannot be reached`);
          yield { ...chunk, bytes: new Uint8Array(chunk.bytes) };
        }
      },
      status: () => reach('status', (ports) => ports.admin.status()),
      close: () => {
        isClosed = true;
      },
    };
  }
}
