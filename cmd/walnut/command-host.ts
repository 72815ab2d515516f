/**
 * Runs commands: parses the common options, describes errors with advice, and converts the
 * result to an exit code.
 */

import type { Command } from 'commander';
import { type Endpoint, tryEndpoint, writtenAddress } from '#dial/endpoint.ts';
import { type NamedAddress, parseAddress } from './arguments.ts';
import { createReach, type Reach, type ReachOptions } from './call/reach.ts';
import { CliError, describeFailure, EXIT, type ExitCode, outputFailure } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { renderJson, showText } from './output/output.ts';
import { CLEAR_SCREEN, type Colors, chooseColors, guardTerminal } from './output/terminal.ts';

export const ADDRESS_DEFAULT = '127.0.0.1:8080';

/** One run of one command. */
export interface Invocation {
  readonly io: CliIo;
  /** The node that --address names. */
  readonly address: Endpoint;
  /** Makes an endpoint of another address that the user named. */
  readonly reach: Reach;
  readonly isJson: boolean;
  readonly colors: Colors;
  /** Positional arguments. */
  readonly args: readonly string[];
}

export type Handler<Options> = (invocation: Invocation, options: Options) => Promise<ExitCode>;

interface CommonOptions extends ReachOptions {
  readonly address?: NamedAddress;
  readonly json?: boolean;
}

/** Registers handlers and keeps the exit code of the one that ran. */
export class CommandHost {
  /** Guarded: see `terminal.ts`. A failed write rejects with `CliError`. */
  readonly io: CliIo;
  /** True if failures are also reported as JSON. */
  readonly isJson: boolean;
  exitCode: ExitCode = EXIT.ok;

  constructor(io: CliIo, isJson = false) {
    const guarded = guardTerminal(io);
    const write: CliIo['write'] = async (chunk) => {
      try {
        await guarded.write(chunk);
      } catch (error) {
        throw outputFailure(error as Error);
      }
    };
    this.io = { ...guarded, write };
    this.isJson = isJson;
  }

  /** Converts a handler to a commander action. */
  action<Options>(handler: Handler<Options>): (...args: unknown[]) => Promise<void> {
    return async (...args) => {
      const command = args.at(-1) as Command;
      const options = command.optsWithGlobals<Options & CommonOptions>();
      const named = options.address ?? parseAddress(ADDRESS_DEFAULT);
      try {
        const reach = createReach(options, this.io.env);
        const reached = await outcomeOf(reach(named));
        const invocation: Invocation = {
          io: this.io,
          // Only commands that call the node fail where it may not be called.
          get address() {
            return reached();
          },
          reach,
          isJson: options.json === true,
          colors: chooseColors(this.io, this.io.isOutTerminal),
          args: command.args,
        };
        this.exitCode = await handler(invocation, options);
      } catch (error) {
        this.exitCode = this.report(describeFailure(error, writtenAddress(named.text, named.isTls)));
      }
    };
  }

  report({ exitCode, message, advice }: CliError): ExitCode {
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

/** Returns or throws what `promise` ended with. */
function outcomeOf<T>(promise: Promise<T>): Promise<() => T> {
  return promise.then(
    (value) => () => value,
    (error: unknown) => () => {
      throw error;
    },
  );
}

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
  const shown = isJson ? JSON.stringify(json()) : `${io.isOutTerminal ? CLEAR_SCREEN : ''}${text()}`;
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
