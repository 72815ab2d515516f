/**
 * Runs commands: parses the common options, describes errors with advice, and converts the
 * result to an exit code.
 */

import type { Command } from 'commander';
import type { Endpoint } from '#dial/endpoint.ts';
import { parseAddress } from './arguments.ts';
import { type CredentialOptions, readCredential, type WithCredential } from './call/credential.ts';
import { CliError, describeFailure, EXIT, type ExitCode, outputFailure } from './cli-error.ts';
import type { CliIo } from './cli-io.ts';
import { renderJson, showText } from './output/output.ts';
import { type Colors, chooseColors, guardTerminal } from './output/terminal.ts';

export const ADDRESS_DEFAULT = '127.0.0.1:8080';

/** One run of one command. */
export interface Invocation {
  readonly io: CliIo;
  /** The node that --address names, with the credential for it. */
  readonly address: Endpoint;
  /** Adds the credential to an address that the user named. */
  readonly withCredential: WithCredential;
  readonly isJson: boolean;
  readonly colors: Colors;
  /** Positional arguments. */
  readonly args: readonly string[];
}

export type Handler<Options> = (invocation: Invocation, options: Options) => Promise<ExitCode>;

interface CommonOptions extends CredentialOptions {
  readonly address?: Endpoint;
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
        const withCredential = await readCredential(options, this.io.env);
        let address: Endpoint | undefined;
        const invocation: Invocation = {
          io: this.io,
          // Only commands that call the node need a credential that may go there.
          get address() {
            address ??= withCredential(named);
            return address;
          },
          withCredential,
          isJson: options.json === true,
          colors: chooseColors(this.io, this.io.isOutTerminal),
          args: command.args,
        };
        this.exitCode = await handler(invocation, options);
      } catch (error) {
        this.exitCode = this.report(describeFailure(error, named.text));
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

/** Prints `json` or `text`, as the options request. */
export async function show(invocation: Invocation, json: () => unknown, text: () => string): Promise<void> {
  await invocation.io.write(invocation.isJson ? renderJson(json()) : text());
}

/** A usage error that commander does not detect. */
export function usageError(message: string, advice?: string): CliError {
  return new CliError(EXIT.usage, message, advice);
}

/** Parses an address that a node named. Throws if it is invalid. */
export function parseToldAddress(text: string, by: Endpoint): Endpoint {
  try {
    return parseAddress(text);
  } catch {
    throw new CliError(
      EXIT.server,
      `${by.text} names ${showText(text)} as an address of its group, which is no HOST:PORT`,
      'See what it knows with: walnut status; or name the node yourself: --address HOST:PORT',
    );
  }
}
