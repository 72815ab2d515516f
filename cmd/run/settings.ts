/**
 * The configuration of a running process, and the keys of it that change without a restart:
 * those that somebody follows. Every change loads the whole configuration anew, from the
 * file's text, the environment, `--set` and what SetConfig asked for, so that it passes the
 * checks of a start.
 */
import { type BinaryKind, type ConfigOf, keysOf } from '#config/binaries.ts';
import { ConfigError } from '#config/config-error.ts';
import { type ConfigSource, type LoadedConfig, loadWithOrigins } from '#config/load-config.ts';
import { printedKeys } from '#config/print-config.ts';
import { invalidArgument, WalnutError } from '#model/errors.ts';
import type { Setting, SettingsPort } from '#model/settings.ts';
import type { Logger } from '#platform/logger.ts';

export interface SettingsOptions<Kind extends BinaryKind> {
  /** What the process was started from. */
  readonly source: ConfigSource<Kind>;
  /** Reads the file anew. Rejects with `ConfigError` where that cannot be done. */
  readonly readText: () => Promise<string>;
  readonly logger: Logger;
}

type Apply<Kind extends BinaryKind> = (config: ConfigOf<Kind>) => void;

/** The keys are wanted, not the defaults that depend on the machine. */
const NO_SURROUNDINGS = { memoryLimitBytes: 0, cwd: undefined };

export class Settings<Kind extends BinaryKind> implements SettingsPort {
  readonly #options: SettingsOptions<Kind>;
  readonly #followed = new Map<string, Apply<Kind>>();
  readonly #asked = new Map<string, string>();
  #source: ConfigSource<Kind>;
  #loaded: LoadedConfig<Kind>;
  /** Values in force, by key, in the file's spelling. */
  readonly #inForce: Map<string, string>;
  #reloading: Promise<void> = Promise.resolve();

  /** Throws `ConfigError`. */
  constructor(options: SettingsOptions<Kind>) {
    this.#options = options;
    this.#source = options.source;
    this.#loaded = loadWithOrigins(options.source);
    this.#inForce = printedKeys(this.#loaded.config);
  }

  /** The newest. Only keys that are followed differ in it from the configuration of the start, as far as anybody may go by that. */
  get config(): ConfigOf<Kind> {
    return this.#loaded.config;
  }

  /** From now on the key can change; `apply` is called with the configuration after that. A reader of `config` needs none. */
  follow(key: string, apply: Apply<Kind> = () => {}): void {
    this.#followed.set(key, apply);
  }

  change(changes: ReadonlyMap<string, string>): readonly Setting[] {
    for (const key of changes.keys()) this.#checkChangeable(key);
    const asked = new Map([...this.#asked, ...changes]);
    const loaded = this.#load(this.#source, asked);
    for (const [key, value] of changes) this.#asked.set(key, value);
    this.#take(loaded);
    return this.#settings();
  }

  /**
   * Reads the file again; what SetConfig changed counts no longer. A file that cannot be used
   * changes nothing. Never rejects.
   */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload());
    return this.#reloading;
  }

  async #reload(): Promise<void> {
    const { logger, readText } = this.#options;
    try {
      const source = { ...this.#options.source, text: await readText() };
      const loaded = loadWithOrigins(source);
      this.#source = source;
      this.#asked.clear();
      this.#take(loaded);
      const pending = this.#pending();
      if (pending.length > 0)
        logger.warn({ keys: pending }, 'the configuration was read again, and these keys need a restart');
      else logger.info({}, 'the configuration was read again');
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      logger.error({ reason: error.message }, 'the configuration cannot be used: nothing was changed');
    }
  }

  #checkChangeable(key: string): void {
    if (this.#followed.has(key)) return;
    const [section = '', ...rest] = key.split('.');
    const isKey = Object.hasOwn(keysOf(this.config.kind, NO_SURROUNDINGS)[section] ?? {}, rest.join('.'));
    const can = `these can be changed: ${[...this.#followed.keys()].join(', ')}`;
    if (!isKey) throw invalidArgument(`${JSON.stringify(key.slice(0, 64))} is no key: ${can}`);
    throw new WalnutError('failed_precondition', `${key} needs a restart; ${can}`, { nothingDone: true });
  }

  #load(source: ConfigSource<Kind>, asked: ReadonlyMap<string, string>): LoadedConfig<Kind> {
    try {
      return loadWithOrigins({ ...source, changes: [...asked].map(([key, value]) => `${key}=${value}`) });
    } catch (error) {
      if (error instanceof ConfigError) throw invalidArgument(error.problems.join('; '));
      throw error;
    }
  }

  #take(loaded: LoadedConfig<Kind>): void {
    this.#loaded = loaded;
    const now = printedKeys(loaded.config);
    for (const [key, apply] of this.#followed) {
      const value = now.get(key) ?? '';
      const was = this.#inForce.get(key);
      if (value === was) continue;
      this.#inForce.set(key, value);
      apply(loaded.config);
      this.#options.logger.warn({ key, was, value, origin: this.#originOf(key) }, 'a setting was changed');
    }
  }

  /** Keys whose value in the file is not the one in force. */
  #pending(): string[] {
    const now = printedKeys(this.config);
    const keys = new Set([...now.keys(), ...this.#inForce.keys()]);
    return [...keys].filter((key) => now.get(key) !== this.#inForce.get(key));
  }

  #originOf(key: string): string {
    return this.#loaded.origins.get(key) ?? 'default';
  }

  #settings(): Setting[] {
    return [...this.#followed.keys()].map((key) => ({
      key,
      value: this.#inForce.get(key) ?? '',
      origin: this.#originOf(key),
    }));
  }
}
