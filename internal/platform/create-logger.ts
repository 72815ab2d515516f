/**
 * The production `Logger`: pino, with one JSON object per line, or pretty lines on a
 * terminal. The call that logs a line also writes it, without worker threads, so
 * that lines before an exit are not lost. Logging never throws and never blocks:
 * lines that cannot be written are dropped and counted (`line-output.ts`), and
 * fields that cannot be serialized are omitted. Lines with the same message share
 * a pace (`line-pace.ts`), so that nobody fills the log by causing one line over and
 * over; the last line of a process, `fatal`, has none. `NO_COLOR` (no-color.org) and
 * `TERM=dumb` are honoured.
 */
import { isatty } from 'node:tty';
import pino from 'pino';
import pretty from 'pino-pretty';
import type { Clock } from '#platform/clock.ts';
import { type Gap, LineOutput, type TryWrite } from '#platform/line-output.ts';
import { LinePaces } from '#platform/line-pace.ts';
import type { LogFields, Logger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { openStandardError } from '#platform/standard-error.ts';

/** Levels by severity; `silent` turns every line off. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `auto` means pretty if the destination is a terminal, else JSON. */
export const LOG_FORMATS = ['auto', 'json', 'pretty'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** The output for log lines. */
export interface LogDestination {
  readonly isTerminal: boolean;
  readonly tryWrite: TryWrite;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Fields of every line, such as the node's name. */
  readonly fields?: LogFields;
  /** Standard error by default, so that standard output contains only answers. */
  readonly destination?: LogDestination;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
}

/** A logger whose level can change at any time, for it and all its children. */
export interface LevelLogger extends Logger {
  readonly level: LogLevel;
  setLevel(level: LogLevel): void;
  /** Lines dropped since the start, because they could not be written. */
  readonly droppedLines: number;
  /** Waits up to 200 ms for a slow reader. Must be called before the process ends. */
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
  const hasColors = isTerminal && env['TERM'] !== 'dumb' && (env['NO_COLOR'] ?? '') === '';
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
    { level: options.level, output, paces: new LinePaces(clock) },
  );
}

function openDestination(): LogDestination {
  return { isTerminal: isatty(2), tryWrite: openStandardError() };
}

function createPino(fields: LogFields, stream: pino.DestinationStream): pino.Logger {
  return pino(
    {
      // A pino child keeps the level it was created with. Ours share one level, checked before pino is called.
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
  readonly paces: LinePaces;
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
    const paced = level === 'fatal' ? {} : this.#shared.paces.take(message);
    if (paced === undefined) return;
    try {
      this.#pino[level](paced.leftOut === undefined ? fields : { ...fields, ...paced }, message);
    } catch (error) {
      // If reading a field throws, write the line without its fields rather than throw to the caller.
      this.#pino[level](
        { fields: `cannot be shown: ${error instanceof Error ? error.message : ''}` },
        message,
      );
    }
  }
}
