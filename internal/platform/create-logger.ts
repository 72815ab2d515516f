/**
 * The production `Logger`: pino, as one JSON object a line, or pretty where a
 * person reads along. Lines are written synchronously, so the last words
 * before an exit are not lost; there are no worker threads. `NO_COLOR` is
 * honoured (no-color.org).
 */
import pino from 'pino';
import pretty from 'pino-pretty';
import type { LogFields, Logger } from '#platform/logger.ts';

/** In order of severity; `silent` is above them all. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `auto`: pretty where the destination is a terminal, else JSON. */
export const LOG_FORMATS = ['auto', 'json', 'pretty'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Where lines go: a standard stream, or anything that takes them (tests). */
export type LogDestination = { readonly isTTY?: boolean; write(line: string): unknown };

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** On every line, such as the node's name. */
  readonly fields?: LogFields;
  /** Default: standard error, which leaves standard output to answers. */
  readonly destination?: LogDestination;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A logger whose level, and that of all its children, can change while running. */
export interface LevelLogger extends Logger {
  readonly level: LogLevel;
  setLevel(level: LogLevel): void;
}

export function createLogger(options: LoggerOptions): LevelLogger {
  const { destination = process.stderr, env = process.env, fields = {} } = options;
  const isTerminal = destination.isTTY === true;
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && isTerminal);
  const hasColors = isTerminal && (env['NO_COLOR'] ?? '') === '';
  const sink = destination === process.stderr ? pino.destination({ fd: 2, sync: true }) : destination;
  const stream = isPretty ? prettyStream(sink, hasColors) : sink;
  const root = pino(
    {
      // Pino's children keep the level they were born with; ours share one, checked before pino is asked.
      level: 'trace',
      base: fields,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
    },
    stream as pino.DestinationStream,
  );
  return new PinoLogger(root, { level: options.level });
}

function prettyStream(sink: LogDestination, hasColors: boolean): pino.DestinationStream {
  const prettify = pretty.prettyFactory({
    colorize: hasColors,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    errorLikeObjectKeys: ['err', 'error'],
  });
  return { write: (line) => sink.write(prettify(line)) };
}

class PinoLogger implements LevelLogger {
  readonly #pino: pino.Logger;
  readonly #shared: { level: LogLevel };

  constructor(logger: pino.Logger, shared: { level: LogLevel }) {
    this.#pino = logger;
    this.#shared = shared;
  }

  get level(): LogLevel {
    return this.#shared.level;
  }

  setLevel(level: LogLevel): void {
    this.#shared.level = level;
  }

  debug(fields: LogFields, message: string): void {
    if (this.#isOn('debug')) this.#pino.debug(fields, message);
  }

  info(fields: LogFields, message: string): void {
    if (this.#isOn('info')) this.#pino.info(fields, message);
  }

  warn(fields: LogFields, message: string): void {
    if (this.#isOn('warn')) this.#pino.warn(fields, message);
  }

  error(fields: LogFields, message: string): void {
    if (this.#isOn('error')) this.#pino.error(fields, message);
  }

  fatal(fields: LogFields, message: string): void {
    if (this.#isOn('fatal')) this.#pino.fatal(fields, message);
  }

  child(fields: LogFields): LevelLogger {
    return new PinoLogger(this.#pino.child(fields), this.#shared);
  }

  #isOn(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(this.#shared.level);
  }
}
