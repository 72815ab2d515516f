/**
 * Standard error as an output that neither blocks nor ends the process.
 *
 * A regular file is used as it is. A pipe or a terminal is opened again with
 * O_NONBLOCK, because setting that flag on the inherited descriptor would set it for
 * every process that shares it. If it cannot be opened (a socket, another user's pipe,
 * a system without /proc), Node sets the flag on the inherited descriptor after all.
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
    // Node creates its stream on first use, and that sets O_NONBLOCK on pipes and sockets.
    void process.stderr;
    return STANDARD_ERROR;
  }
}

/** Writes text before there is a logger. Text that cannot be written is lost. */
export function sayOnStandardError(text: string): void {
  try {
    openStandardError()(Buffer.from(text));
  } catch {
    // There is no other output; the exit code must suffice.
  }
}
