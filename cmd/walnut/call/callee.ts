/** The node that the options of a command mean, and how other addresses are reached with them. */
import { type Endpoint, writtenAddress } from '#dial/endpoint.ts';
import type { CliIo } from '../cli-io.ts';
import {
  ADDRESS_DEFAULT,
  type AddressSource,
  chooseTarget,
  type GivenOptions,
  type Target,
} from '../context/choose-context.ts';
import { contextFile, readContexts } from '../context/context-file.ts';
import { NO_CONTEXTS } from '../context/contexts.ts';
import type { Reach } from './reach.ts';
import type { Session } from './session.ts';

export class Callee {
  readonly #session: Session;
  readonly #io: CliIo;
  readonly #options: GivenOptions;
  readonly #source: AddressSource;
  /** The address of the node as `--address` takes it, as soon as it is known. */
  text = ADDRESS_DEFAULT;

  constructor(session: Session, io: CliIo, options: GivenOptions, source: AddressSource) {
    this.#session = session;
    this.#io = io;
    this.#options = options;
    this.#source = source;
  }

  /** Which nodes and settings are meant now. Rejects with `CliError`. */
  async target(): Promise<Target> {
    const { env } = this.#io;
    // A file that cannot be read is no reason to stop if the user names a node in another way.
    const mayTakeOne = this.#options.context !== undefined || this.#source === 'default';
    const contexts = mayTakeOne ? await readContexts(contextFile(env)) : NO_CONTEXTS;
    return chooseTarget(this.#options, this.#source, contexts, env);
  }

  readonly reach: Reach = async (named) => this.#session.reach(await this.target())(named);

  /** The node; of several the first that takes a connection. */
  async endpoint(): Promise<Endpoint> {
    const target = await this.target();
    const named = await this.#session.pick(target, (text) => this.#io.note(text));
    this.text = writtenAddress(named.text, named.isTls);
    return this.#session.reach(target)(named);
  }
}
