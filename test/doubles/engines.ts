/** Reaches into running nodes: the engines that were opened, to damage what they contain. */
import { afterEach, beforeEach } from 'vitest';
import { Engine } from '#engine/engine.ts';
import type { EncodedMutation } from '#model/encoded.ts';
import { Store } from '#storage/store.ts';

/** Collects every engine of the test file's nodes in the order in which they finish opening. */
export function collectEngines(): Engine[] {
  const engines: Engine[] = [];
  const attach = Engine.prototype.attach;
  beforeEach(() => {
    engines.length = 0;
    Engine.prototype.attach = function collecting(this: Engine, log) {
      engines.push(this);
      attach.call(this, log);
    };
  });
  afterEach(() => {
    Engine.prototype.attach = attach;
  });
  return engines;
}

/** From now on the store leaves out what `isSkipped` chooses: a fault in applying. */
export function sabotageApply(engine: Engine, isSkipped: (mutation: EncodedMutation) => boolean): void {
  const { store } = engine;
  store.applyEncoded = (mutation, position) => {
    if (!isSkipped(mutation)) Store.prototype.applyEncoded.call(store, mutation, position);
  };
}
