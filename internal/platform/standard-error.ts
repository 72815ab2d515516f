/**
 * Standard error as an output that neither blocks nor ends the process.
 *
 * A regular file is written to as it is. A pipe or a terminal is opened anew
 * without blocking (O_NONBLOCK), because setting that on the inherited one
 * would set it for every process that shares it. Where it cannot be opened (a
 * socket, another user's pipe, a system without /proc) Node sets it there.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import type { TryWrite } from '#platform/line-output.ts';

const STANDARD_ERROR = 2;
const AS_PATH = `/proc/self/fd/${STANDARD_ERROR}`;
const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;

export function openStandardError(): TryWrite {
  const file = fstatSync(STANDARD_ERROR).isFile() ? STANDARD_ERROR : openWithoutBlocking();
  return (bytes) => writeSync(file, bytes);
}

function openWithoutBlocking(): number {
  try {
    return openSync(AS_PATH, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // Node's stream sets O_NONBLOCK on pipes and sockets when it is made, which is on first use.
    void process.stderr;
    return STANDARD_ERROR;
  }
}

/** For the few words before there is a logger: what cannot be said is left out. */
export function sayOnStandardError(text: string): void {
  try {
    openStandardError()(Buffer.from(text));
  } catch {
    // Nobody can be told; the exit code says the rest.
  }
}
