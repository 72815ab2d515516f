/** Progress of an import or an export on stderr: nothing in the first two seconds, then a line every two seconds. */
import type { CliIo } from '../cli-io.ts';
import { showCount } from '../output/output.ts';

const EVERY_MS = 2_000;

export class MoveProgress {
  readonly #what: string;
  readonly #bytesTotal: number | undefined;
  readonly #io: CliIo;
  #nextMs = performance.now() + EVERY_MS;
  #bytes = 0;

  /** `bytesTotal`: of the file that is read; undefined where that is not known. */
  constructor(what: string, bytesTotal: number | undefined, io: CliIo) {
    this.#what = what;
    this.#bytesTotal = bytesTotal;
    this.#io = io;
  }

  /** So many more bytes of the file were read. */
  readonly read = (bytes: number): void => {
    this.#bytes += bytes;
    this.#tell('');
  };

  /** So many entries are done. */
  done(entries: number, how: string): void {
    this.#tell(`, ${showCount(entries)} ${how}`);
  }

  #tell(beside: string): void {
    const nowMs = performance.now();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + EVERY_MS;
    const total = this.#bytesTotal;
    const share = total === undefined ? '' : ` ${Math.floor((100 * this.#bytes) / Math.max(1, total))} %`;
    this.#io.note(`${this.#what}${share}${beside}\n`);
  }
}
