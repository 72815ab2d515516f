/**
 * Runs commands: parses the common options, describes errors with advice, and converts the
 * result to an exit code.
 */

import type { Command } from 'commander';
import { type Endpoint, tryEndpoint, writtenAddress } from '#dial/endpoint.ts';
import { runBy } from '#platform/npm-options.ts';
import { Callee } from './call/callee.ts';
import { kept } from './call/kept.ts';
import type { Reach } from './call/reach.ts';
import { Session } from './call/session.ts';
import { CliError, describeFailure, EXIT, type ExitCode, outputFailure } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import type { AddressSource, GivenOptions, Target } from './context/choose-context.ts';
import { renderJson, showText } from './output/output.ts';
import { CLEAR_SCREEN, type Colors, canErase, chooseColors, guardTerminal } from './output/terminal.ts';

/** One run of one command. */
export interface Invocation {
  readonly io: CliIo;
  /** The node that --address or a context names. */
  readonly address: Endpoint;
  /** Makes an endpoint of another address that the user named. */
  readonly reach: Reach;
  /** Which nodes and settings the options mean now: contexts may change while a command runs. */
  readonly target: () => Promise<Target>;
  readonly isJson: boolean;
  readonly colors: Colors;
  /** Says on stderr what is no answer and no progress, with the place of the command as in failures. */
  readonly tell: (text: string) => void;
  /** Positional arguments. */
  readonly args: readonly string[];
}

export type Handler<Options> = (invocation: Invocation, options: Options) => Promise<ExitCode>;

interface CommonOptions extends GivenOptions {
  readonly json?: boolean;
}

/** Registers handlers and keeps the exit code of the one that ran. */
export class CommandHost {
  /** Guarded: see `terminal.ts`. A failed write rejects with `CliError`. */
  readonly io: CliIo;
  /** True if failures are also reported as JSON. */
  readonly isJson: boolean;
  exitCode: ExitCode = EXIT.ok;
  readonly #session: Session;

  constructor(io: CliIo, isJson = false, session = new Session(io.env)) {
    this.#session = session;
    const guarded = guardTerminal(io);
    const write: CliIo['write'] = async (chunk) => {
      try {
        await guarded.write(chunk);
      } catch (error) {
        throw outputFailure(error as Error);
      }
    };
    this.io = { ...guarded, write, note: (text) => guarded.note(asTyped(text, io.env)) };
    this.isJson = isJson;
  }

  /** Begins messages about failures: see `Session`. */
  get place(): string {
    return this.#session.place;
  }

  /** Converts a handler to a commander action. */
  action<Options>(handler: Handler<Options>): (...args: unknown[]) => Promise<void> {
    return this.#action(handler, (callee) => callee.endpoint());
  }

  /** The same for a command that calls no node at --address: none of a context is looked for. */
  offline<Options>(handler: Handler<Options>): (...args: unknown[]) => Promise<void> {
    return this.#action(handler, callsNoNode);
  }

  /** The same for the shell, whose commands have told their failures. */
  shell<Options>(handler: Handler<Options>): (...args: unknown[]) => Promise<void> {
    return this.#action(handler, callsNoNode, true);
  }

  #action<Options>(
    handler: Handler<Options>,
    endpointOf: (callee: Callee) => Promise<Endpoint>,
    isTold = false,
  ): (...args: unknown[]) => Promise<void> {
    return async (...args) => {
      const command = args.at(-1) as Command;
      const options = command.optsWithGlobals<Options & CommonOptions>();
      const callee = new Callee(this.#session, this.io, options, sourceOfAddress(command, this.io));
      try {
        const reached = await outcomeOf(endpointOf(callee));
        const invocation: Invocation = {
          io: this.io,
          // Only commands that call the node fail where it may not be called.
          get address() {
            return reached();
          },
          reach: callee.reach,
          target: () => callee.target(),
          isJson: options.json === true,
          colors: chooseColors(this.io, this.io.isOutTerminal),
          tell: (text) => this.io.note(`walnut: ${this.place}${text}\n`),
          args: command.args,
        };
        this.exitCode = await handler(invocation, options);
        // A report on stdout says what; that it is a failure stands where all failures do.
        if (this.exitCode === EXIT.negative && invocation.isJson && !isTold)
          this.report(new CliError(this.exitCode, FAILED));
      } catch (error) {
        this.exitCode = this.report(describeFailure(error, callee.text));
      }
    };
  }

  /** Tells a failure on stderr, with the place of the command where the session has one. */
  report({ exitCode, message: told, advice }: CliError): ExitCode {
    const message = `${this.place}${told}`;
    if (this.isJson) {
      this.io.note(`${JSON.stringify({ error: { exitCode, message, advice } })}\n`);
      return exitCode;
    }
    const colors = chooseColors(this.io, this.io.isErrTerminal);
    this.io.note(`${colors.red('walnut:')} ${message}\n`);
    if (advice !== undefined) this.io.note(`${advice}\n`);
    return exitCode;
  }
}

/** The text with its commands as they are typed where npm runs the tool: there `walnut` need not be on the PATH. */
function asTyped(text: string, env: CliIo['env']): string {
  const run = runBy(env, 'walnut');
  return run === undefined ? text : text.replace(/(?<=^|[\s(])walnut(?= [a-z-])/g, run);
}

function sourceOfAddress(command: Command, { env }: CliIo): AddressSource {
  if (command.getOptionValueSourceWithGlobals('address') === 'cli') return 'option';
  return (env.WALNUT_ADDRESS ?? '') === '' ? 'default' : 'environment';
}

function callsNoNode(): Promise<never> {
  return Promise.reject(new Error('this command calls no node'));
}

/** Returns or throws what `promise` ended with. */
function outcomeOf<T>(promise: Promise<T>): Promise<() => T> {
  return promise.then(
    (value) => () => value,
    (error: unknown) => () => {
      throw error;
    },
  );
}

const FAILED = 'not everything is as it should be: standard output says what';

/** Prints `json` or `text`, as the options request. */
export async function show(invocation: Invocation, json: () => unknown, text: () => string): Promise<void> {
  await invocation.io.write(invocation.isJson ? renderJson(json()) : text());
}

/** The same for what is shown again and again: a line of JSON each time, or in place of what the terminal showed before. */
export async function showAgain(
  { io, isJson }: Invocation,
  json: () => unknown,
  text: () => string,
): Promise<void> {
  const shown = isJson
    ? JSON.stringify(json())
    : `${canErase(io, io.isOutTerminal) ? CLEAR_SCREEN : ''}${text()}`;
  await io.write(`${shown}\n`);
}

/** A usage error that commander does not detect. */
export function usageError(message: string, advice?: string): CliError {
  return new CliError(EXIT.usage, message, advice);
}

/**
 * Makes an endpoint of an address that a node named. It is called by TLS if `by` is, and only
 * then with its credential: `by` was sent that, too, and its word cannot be forged on the
 * way. Throws if the address is invalid.
 */
export function parseToldAddress(text: string, by: Endpoint): Endpoint {
  const told = TOLD.get(by) ?? new Map<string, Endpoint>();
  TOLD.set(by, told);
  return kept(told, text, () => toldEndpoint(text, by));
}

/** The addresses that an endpoint named before: the same object is called by the same connection. */
const TOLD = new WeakMap<Endpoint, Map<string, Endpoint>>();

function toldEndpoint(text: string, by: Endpoint): Endpoint {
  const told = tryEndpoint(text);
  if (told === undefined)
    throw new CliError(
      EXIT.server,
      `${by.text} names ${showText(text)} as an address of its group, which is no HOST:PORT`,
      'See what it knows with: walnut status; or name the node yourself: --address HOST:PORT',
    );
  return by.tls === undefined ? told : { ...told, tls: by.tls, authorization: by.authorization };
}

/** The endpoint as `--address` takes it. */
export function toArgument(endpoint: Endpoint): string {
  return writtenAddress(endpoint.text, endpoint.tls !== undefined);
}
