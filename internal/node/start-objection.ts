/**
 * Decides whether a master may take writes when it starts: it first asks the nodes that
 * it knows (docs/replication.md, rule 8). A term that one of them has seen is persisted
 * before anything is decided by it.
 */
import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { amendManifest } from '#engine/manifest-access.ts';
import { makeEpoch, termOf } from '#model/position.ts';
import { adviceFor } from '#node/advice.ts';
import { askNodes, judgeAll } from '#node/ask-replicas.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { Self } from '#node/self.ts';
import { OWN_TERMS } from '#node/term-source.ts';

export interface StartObjectionParts {
  readonly options: Pick<NodeOptions, 'dialer' | 'forcedRole' | 'logger' | 'terms'>;
  readonly host: EngineHost;
  readonly engine: Engine;
  /** True if this node was promoted to the highest term it knows of, and has no record of it yet. */
  readonly isPromoted: boolean;
  /** Addresses of the nodes that are asked. */
  readonly known: readonly string[];
  readonly self: () => Self;
  readonly signal: AbortSignal;
}

export interface StartObjection {
  /** Why this master may not take writes; undefined if nothing speaks against it. */
  readonly why?: string | undefined;
  /** Which command helps; empty if none is known. */
  readonly advice: string;
}

const NONE: StartObjection = { advice: '' };

export async function objectionToStart(parts: StartObjectionParts): Promise<StartObjection> {
  const { options, host, engine, isPromoted, signal } = parts;
  const { manifest } = host;
  const { position } = engine;
  if (position.lsn === 0) return NONE;
  if (!isPromoted && manifest.term > termOf(position.epoch))
    return { ...NONE, why: `term ${manifest.term} was seen, this master's is ${termOf(position.epoch)}` };
  const asked = await askNodes(options.dialer, parts.known, options.logger, signal);
  const advice = adviceFor(parts.self(), asked);
  const { objection, term } = judgeAll(asked, {
    nodeId: manifest.nodeId,
    logId: manifest.logId,
    // A promotion that was cut short is valid where nobody has gone beyond its term.
    position: { epoch: isPromoted ? makeEpoch(manifest.term, 0) : position.epoch, lsn: position.lsn },
    term: manifest.term,
  });
  if (options.forcedRole !== 'master') {
    if (term > manifest.term) await host.raiseTerm(term);
    return { why: objection, advice };
  }
  // A master that is forced leads a term above every one that was seen.
  if (term >= manifest.term) {
    const own = await (options.terms ?? OWN_TERMS).next(term);
    await amendManifest(host.directory, { term: own, promotedTo: own });
  }
  return { advice };
}
