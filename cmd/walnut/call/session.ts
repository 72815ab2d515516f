/**
 * What the commands of one run of the tool share: the nodes that were reached, each with its
 * connection. The tool has one command as a rule, and many in its own shell (`repl/`).
 */
import type { Endpoint } from '#dial/endpoint.ts';
import type { NamedAddress } from '../arguments.ts';
import type { Target } from '../context/choose-context.ts';
import { firstAnswering } from '../context/first-answering.ts';
import { kept } from './kept.ts';
import { createReach, type Reach } from './reach.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export class Session {
  /** Begins each message about a failure: `line 3: `. */
  place = '';
  readonly #env: Environment;
  readonly #reaches = new Map<string, Reach>();
  readonly #endpoints = new Map<string, Promise<Endpoint>>();
  readonly #chosen = new Map<string, Promise<NamedAddress>>();

  constructor(env: Environment) {
    this.#env = env;
  }

  /** Like `createReach`, with the same endpoint for the same address and options. */
  reach({ options }: Pick<Target, 'options'>): Reach {
    const given = JSON.stringify(options);
    const reach = kept(this.#reaches, given, () => createReach(options, this.#env));
    return (named) => kept(this.#endpoints, `${given} ${JSON.stringify(named)}`, () => reach(named));
  }

  /** The node of the target that is called; `note` is told which were passed over. */
  pick({ addresses }: Target, note: (text: string) => void): Promise<NamedAddress> {
    return kept(this.#chosen, JSON.stringify(addresses), () =>
      firstAnswering(addresses, (silent, next) =>
        note(`${silent.text} takes no connection; trying ${next.text}\n`),
      ),
    );
  }

  /** After a failure files of credentials are read anew, and nodes looked for again. */
  forget(): void {
    for (const map of [this.#reaches, this.#endpoints, this.#chosen]) map.clear();
  }
}
