/** Requests of HTTP/1.1 as text, and what a reader makes of octets however they are cut. */
import type { Http1Head } from '#http/http1/head1.ts';
import { type ReadState, RequestReader } from '#http/http1/request-reader.ts';

export interface Read {
  /** Each as `METHOD target | fields | body`. */
  readonly requests: string[];
  readonly heads: Http1Head[];
  readonly state: ReadState;
  /** What nobody was given. */
  readonly rest: string;
}

/** A reader that goes on by itself from request to request. */
export class Reading {
  readonly heads: Http1Head[] = [];
  readonly #bodies: string[] = [];
  readonly reader = new RequestReader({
    onHead: (head) => {
      head.derived ??= `of head ${this.heads.length}`;
      this.heads.push(head);
      this.#bodies.push('');
      return true;
    },
    onBody: (bytes, from, to) => {
      this.#bodies[this.#bodies.length - 1] += bytes.toString('latin1', from, to);
    },
  });

  push(bytes: Buffer): void {
    this.reader.push(bytes);
    // Each turn takes one request, or nothing.
    for (let before = -1; this.reader.state === 'whole' && this.reader.held !== before; ) {
      before = this.reader.held;
      if (before > 0) this.reader.next();
    }
  }

  finish(): Read {
    const requests = this.heads.map(
      ({ method, target, fields }, i) => `${method} ${target} | ${fields.join(' ')} | ${this.#bodies[i]}`,
    );
    const { state } = this.reader;
    return { requests, heads: this.heads, state, rest: this.reader.takeRest().toString('latin1') };
  }
}

export function read(...chunks: (string | Buffer)[]): Read {
  const reading = new Reading();
  for (const chunk of chunks) {
    if (reading.reader.state !== 'reading' && reading.reader.state !== 'whole') {
      // It goes where the rest goes.
      reading.reader.push(asBytes(chunk));
    } else {
      if (reading.reader.state === 'whole') reading.reader.next();
      reading.push(asBytes(chunk));
    }
  }
  return reading.finish();
}

const asBytes = (chunk: string | Buffer): Buffer =>
  typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk;

export function kindOf(state: ReadState): string {
  if (typeof state === 'string') return state;
  return state.kind === 'refused' ? `refused ${state.status}` : state.kind;
}
