/** What a PUT says that its value is, and the headers by which a GET gives that back. Pure but for the port. */
import type { Awaitable } from '#model/awaitable.ts';
import type { SetCommand, WriteAnswer } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { toContentType } from '#wire/kv-codec.ts';

const UNKNOWN = 'application/octet-stream';
/** These say nothing of the value: the first is what is answered for none, the second what curl sends by itself. */
const SAY_NOTHING = [UNKNOWN, 'application/x-www-form-urlencoded'];
/** A browser shows these and runs nothing of them. Others are saved as files. */
const SHOWN = [
  UNKNOWN,
  'text/plain',
  'application/json',
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
];

/** Throws `invalid_argument` for a header that cannot be kept. */
export function readContentType(header: string | undefined): { contentType?: string } {
  const contentType = header?.trim() ?? '';
  return SAY_NOTHING.includes(essenceOf(contentType)) ? {} : toContentType(contentType);
}

/** A page that somebody stored must not run as one of this server's. */
export function contentHeaders(contentType = UNKNOWN): Record<string, string> {
  const headers = {
    'content-type': contentType,
    'x-content-type-options': 'nosniff',
    'content-security-policy': "sandbox; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
  };
  return SHOWN.includes(essenceOf(contentType))
    ? headers
    : { ...headers, 'content-disposition': 'attachment' };
}

/**
 * Sets the value, without its content type while a replica of version 0.1 follows, and
 * calls `onTypeLeftOut` then: a PUT with that header worked before content types were kept.
 */
export function setAsKept(
  port: KeyValuePort,
  command: SetCommand,
  signal: AbortSignal | undefined,
  onTypeLeftOut: () => void,
): Awaitable<WriteAnswer> {
  if (command.contentType === undefined) return port.set(command, signal);
  return setTyped(port, command, signal, onTypeLeftOut);
}

async function setTyped(
  port: KeyValuePort,
  command: SetCommand,
  signal: AbortSignal | undefined,
  onTypeLeftOut: () => void,
): Promise<WriteAnswer> {
  try {
    return await port.set(command, signal);
  } catch (error) {
    const { contentType: _, ...plain } = command;
    const isRefused = error instanceof WalnutError && error.code === 'failed_precondition';
    if (!isRefused || error.details.nothingDone !== true) throw error;
    onTypeLeftOut();
    return await port.set(plain, signal);
  }
}

/** The type without its parameters. */
function essenceOf(contentType: string): string {
  return (contentType.split(';')[0] as string).trim().toLowerCase();
}
