/**
 * The production `Logger`: pino, as one JSON object a line, or pretty where a
 * person reads along. Lines are written in the call that logs them, so the last
 * words before an exit are not lost; there are no worker threads. Logging never
 * throws and never blocks: lines that cannot be written are dropped and counted
 * (`line-output.ts`), fields that cannot be shown are left out. `NO_COLOR` is
 * honoured (no-color.org).
 */
import { isatty } from 'node:tty';
import pino from 'pino';
import pretty from 'pino-pretty';
import type { Clock } from '#platform/clock.ts';
import { type Gap, LineOutput, type TryWrite } from '#platform/line-output.ts';
import type { LogFields, Logger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { openStandardError } from '#platform/standard-error.ts';

/** In order of severity; `silent` is above them all. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `auto`: pretty where the destination is a terminal, else JSON. */
export const LOG_FORMATS = ['auto', 'json', 'pretty'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Where lines go. */
export interface LogDestination {
  readonly isTerminal: boolean;
  readonly tryWrite: TryWrite;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** On every line, such as the node's name. */
  readonly fields?: LogFields;
  /** Default: standard error, which leaves standard output to answers. */
  readonly destination?: LogDestination;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
}

/** A logger whose level, and that of all its children, can change while running. */
export interface LevelLogger extends Logger {
  readonly level: LogLevel;
  setLevel(level: LogLevel): void;
  /** Lines that could not be written, since the start. */
  readonly droppedLines: number;
  /** Before the process ends: gives a slow reader a moment, 200 ms at most. */
  flush(): void;
}

export function createLogger(options: LoggerOptions): LevelLogger {
  const {
    destination = openDestination(),
    env = process.env,
    fields = {},
    clock = createNodeClock(),
  } = options;
  const { isTerminal, tryWrite } = destination;
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && isTerminal);
  const hasColors = isTerminal && (env['NO_COLOR'] ?? '') === '';
  const lineTo = (write: (line: string) => void): pino.Logger =>
    createPino(fields, isPretty ? prettyStream(write, hasColors) : { write });
  const describeGap = ({ lines, code }: Gap): string => {
    let line = '';
    const said = lineTo((text) => {
      line = text;
    });
    said.warn({ lines, code }, 'log lines were dropped here: they could not be written');
    return line;
  };
  const output = new LineOutput({ tryWrite, clock, describeGap });
  return new PinoLogger(
    lineTo((line) => output.write(line)),
    { level: options.level, output },
  );
}

function openDestination(): LogDestination {
  return { isTerminal: isatty(2), tryWrite: openStandardError() };
}

function createPino(fields: LogFields, stream: pino.DestinationStream): pino.Logger {
  return pino(
    {
      // Pino's children keep the level they were born with; ours share one, checked before pino is asked.
      level: 'trace',
      base: fields,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
    },
    stream,
  );
}

function prettyStream(write: (line: string) => void, hasColors: boolean): pino.DestinationStream {
  const prettify = pretty.prettyFactory({
    colorize: hasColors,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    errorLikeObjectKeys: ['err', 'error'],
  });
  return { write: (line) => write(prettify(line)) };
}

interface Shared {
  level: LogLevel;
  readonly output: LineOutput;
}

class PinoLogger implements LevelLogger {
  readonly #pino: pino.Logger;
  readonly #shared: Shared;

  constructor(logger: pino.Logger, shared: Shared) {
    this.#pino = logger;
    this.#shared = shared;
  }

  get level(): LogLevel {
    return this.#shared.level;
  }

  setLevel(level: LogLevel): void {
    this.#shared.level = level;
  }

  get droppedLines(): number {
    return this.#shared.output.droppedLines;
  }

  flush(): void {
    this.#shared.output.flush();
  }

  debug(fields: LogFields, message: string): void {
    this.#say('debug', fields, message);
  }

  info(fields: LogFields, message: string): void {
    this.#say('info', fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#say('warn', fields, message);
  }

  error(fields: LogFields, message: string): void {
    this.#say('error', fields, message);
  }

  fatal(fields: LogFields, message: string): void {
    this.#say('fatal', fields, message);
  }

  child(fields: LogFields): LevelLogger {
    return new PinoLogger(this.#pino.child(fields), this.#shared);
  }

  #say(level: Exclude<LogLevel, 'silent'>, fields: LogFields, message: string): void {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(this.#shared.level)) return;
    try {
      this.#pino[level](fields, message);
    } catch (error) {
      // A field that throws when it is read costs the fields, not the line and never the caller.
      this.#pino[level](
        { fields: `cannot be shown: ${error instanceof Error ? error.message : ''}` },
        message,
      );
    }
  }
}
