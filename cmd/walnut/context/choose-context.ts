/**
 * Decides which nodes a command calls and with which settings: an option of the command line
 * comes first, then the context, then the environment, then the default. A context that the
 * command line does not name is left alone where the user named a node in another way, so
 * that its token goes to no other node. Pure.
 */
import { type NamedAddress, parseAddress } from '../arguments.ts';
import type { ReachOptions } from '../call/reach.ts';
import { CliError, EXIT } from '../cli-error.ts';
import { CONTEXT_OPTIONS, type ContextOption, type Contexts, parseAddresses } from './contexts.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface GivenOptions extends ReachOptions {
  readonly address?: NamedAddress;
  readonly context?: string;
}

/** `option`: --address; `environment`: WALNUT_ADDRESS. */
export type AddressSource = 'option' | 'environment' | 'default';

export interface Target {
  /** At least one; the first that answers is meant. */
  readonly addresses: readonly [NamedAddress, ...NamedAddress[]];
  readonly options: ReachOptions;
  /** The context that gave any of this. */
  readonly context: string | undefined;
}

/** The context that a command takes; undefined: none. */
function contextNameOf(
  { context }: GivenOptions,
  source: AddressSource,
  { current }: Contexts,
  env: Environment,
): string | undefined {
  if (context !== undefined) return context;
  return source === 'default' ? env['WALNUT_CONTEXT'] || current : undefined;
}

/** `given.address` counts where the source is the option. Throws `CliError` for a context that is not there. */
export function chooseTarget(
  given: GivenOptions,
  source: AddressSource,
  contexts: Contexts,
  env: Environment,
): Target {
  const address = source === 'option' ? given.address : undefined;
  const options = reachOptionsOf(given);
  const name = contextNameOf(given, source, contexts, env);
  if (name === undefined) {
    return {
      options,
      context: undefined,
      // A WALNUT_ADDRESS that is none stops only commands that call the node there.
      get addresses() {
        return [address ?? addressIn(env)] as const;
      },
    };
  }
  const context = Object.hasOwn(contexts.contexts, name) ? contexts.contexts[name] : undefined;
  if (context === undefined) throw unknownContext(name, contexts);
  const { addresses, ...settings } = context;
  const named = address !== undefined ? [address] : parseAddresses(addresses);
  return {
    addresses: named as unknown as Target['addresses'],
    options: { ...settings, ...options },
    context: name,
  };
}

export const ADDRESS_DEFAULT = '127.0.0.1:8080';

/** Throws `CliError`. */
function addressIn(env: Environment): NamedAddress {
  const text = env['WALNUT_ADDRESS'] || ADDRESS_DEFAULT;
  try {
    return parseAddress(text);
  } catch (error) {
    const why = `WALNUT_ADDRESS is ${JSON.stringify(text)}. ${(error as Error).message}`;
    throw new CliError(EXIT.usage, why);
  }
}

export function unknownContext(name: string, { contexts }: Contexts): CliError {
  const names = Object.keys(contexts);
  const known = names.length === 0 ? 'none is stored' : `known are ${names.sort().join(', ')}`;
  return new CliError(
    EXIT.usage,
    `there is no context ${JSON.stringify(name)}: ${known}`,
    'To store it: walnut context add NAME HOST:PORT',
  );
}

/** Without what the command line does not set, and without the options of the command itself. */
function reachOptionsOf(given: ReachOptions): ReachOptions {
  const names = Object.keys(CONTEXT_OPTIONS) as ContextOption[];
  return Object.fromEntries(
    names.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
  );
}
