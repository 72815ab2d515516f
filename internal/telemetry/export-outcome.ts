/** What the answer of a collector means, and when the next export follows, by the rules of OTLP. Pure. */
import type { PostAnswer } from '#dial/post.ts';

export interface Outcome {
  readonly result: 'ok' | 'partial' | 'refused' | 'failed';
  /** For people; undefined: all is well. */
  readonly why?: string;
  /** The same may be taken a little later. */
  readonly isWorthRetry: boolean;
  /** How long the collector wants to be left alone. */
  readonly retryAfterMs?: number;
}

/** A part of the points, or all of them: then what answered is no collector. */
export type Refusal = Pick<Outcome, 'why'> & { readonly result: 'partial' | 'refused' };

export interface OutcomeParts {
  /** What a collector that answered 200 did not take; undefined: it took everything. */
  readonly refused: (answer: PostAnswer) => Refusal | undefined;
  /** Wall time: an answer may name a date. */
  readonly nowMs: number;
}

const WORTH_RETRY = new Set([429, 502, 503, 504]);
const WHY_CHARACTERS_MAX = 300;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;
const RETRY_AFTER_MS_MAX = 600_000;
/** Waits differ by as much as this part of them, so that nodes do not come all at once. */
const JITTER = 0.2;

export function outcomeOf(answer: PostAnswer, { refused, nowMs }: OutcomeParts): Outcome {
  const { status, headers, body } = answer;
  if (status >= 200 && status < 300)
    return { ...(refused(answer) ?? { result: 'ok' as const }), isWorthRetry: false };
  const why = `HTTP ${status}${targetOf(answer)}${textOf(body)}`;
  if (!WORTH_RETRY.has(status)) return { result: 'refused', why, isWorthRetry: false };
  const retryAfterMs = retryAfterOf(headers['retry-after'], nowMs);
  return {
    result: 'failed',
    why,
    isWorthRetry: true,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** The target of a redirection, without its query, which may be a credential. */
function targetOf({ status, headers: { location } }: PostAnswer): string {
  if (status < 300 || status >= 400 || location === undefined) return '';
  const [text = ''] = URL.canParse(location) ? [withoutQuery(new URL(location))] : location.split(/[?#]/);
  return ` to ${text.slice(0, WHY_CHARACTERS_MAX)}`;
}

/** The URL as logs may have it: a query may be a credential. */
export function withoutQuery({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

/** Begins with a blank; empty where the answer is no text. */
function textOf(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, WHY_CHARACTERS_MAX)).trim();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an answer in protobuf has them.
  return text === '' || /[\u0000-\u0008\u000e-\u001f\ufffd]/.test(text) ? '' : `: ${text}`;
}

function retryAfterOf(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(RETRY_AFTER_MS_MAX, Math.max(0, ms));
}

export interface WaitParts {
  readonly outcome: Outcome;
  /** Exports in a row that were worth a retry. */
  readonly failures: number;
  readonly intervalMs: number;
  /** 0 to 1. */
  readonly chance: number;
}

/** Until the next export. After a failure twice as long each time, from a second to a minute, and never less than the collector said. */
export function waitOf({ outcome, failures, intervalMs, chance }: WaitParts): number {
  if (!outcome.isWorthRetry) return intervalMs;
  const longestMs = Math.max(LONGEST_WAIT_MS, intervalMs);
  const backOffMs = Math.min(longestMs, FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 20));
  const jitteredMs = backOffMs * (1 - JITTER + 2 * JITTER * chance);
  return Math.max(Math.round(jitteredMs), outcome.retryAfterMs ?? 0);
}
