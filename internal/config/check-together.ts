/** What keys of a configuration need of each other. Pure. */
import type { BinaryKind, ConfigOf } from '#config/binaries.ts';
import { checkAdvertisedHost } from '#config/check-addresses.ts';
import { checkMetadata } from '#config/check-metadata.ts';
import { checkMetrics } from '#config/check-metrics.ts';
import {
  type CrossProblem,
  checkAdvertised,
  checkAuth,
  checkClearText,
  checkPeerTls,
  checkServedClear,
  checkServerTls,
} from '#config/check-security.ts';
import { upstreamsOf } from '#config/upstreams.ts';

interface Check {
  /** The sections, groups and keys that it reads: where one of them is wrong itself, the check says nothing. */
  readonly needs: readonly string[];
  readonly find: () => CrossProblem[];
}

/** `wrong`: the sections and `section.key` that cannot be used, of which `config` has defaults or nothing. */
export function checkTogether(config: ConfigOf<BinaryKind>, wrong: readonly string[] = []): CrossProblem[] {
  const isUsable = (need: string): boolean =>
    !wrong.some((path) => isWithin(path, need) || isWithin(need, path));
  return [...checksOfAll(config), ...checksOfKind(config)]
    .filter(({ needs }) => needs.every(isUsable))
    .flatMap(({ find }) => find());
}

function isWithin(path: string, outer: string): boolean {
  return path === outer || path.startsWith(`${outer}.`);
}

function checksOfAll(config: ConfigOf<BinaryKind>): Check[] {
  return [
    {
      needs: ['metrics.otlp', 'auth.allow_clear_text'],
      find: () => checkMetrics(config.metrics, config.auth.allowClearText),
    },
    { needs: ['auth'], find: () => checkAuth(config.auth) },
    { needs: ['server.advertise'], find: () => checkAdvertisedHost(config.server) },
    { needs: ['server.tls'], find: () => checkServerTls(config.server.tls) },
    { needs: ['peer.tls'], find: () => checkPeerTls(config.peer.tls) },
  ];
}

const CLEAR_TEXT = ['auth', 'server.tls', 'server.address'];

function checksOfKind(config: ConfigOf<BinaryKind>): Check[] {
  if (config.kind === 'gateway') {
    const find = (): CrossProblem[] => checkClearText(config, 'this gateway', config.gateway.coordinators);
    return [{ needs: [...CLEAR_TEXT, 'peer', 'gateway.coordinators'], find }];
  }
  if (config.kind !== 'coordinator') {
    const find = (): CrossProblem[] =>
      checkClearText(config, 'this node', [...upstreamsOf(config), ...config.replication.replicas]);
    const called = ['master.address', 'cluster.coordinators', 'replication.replicas'];
    return [{ needs: [...CLEAR_TEXT, 'peer', ...called], find }];
  }
  return [
    { needs: CLEAR_TEXT, find: () => checkServedClear(config) },
    { needs: ['server.advertise', 'server.address'], find: () => checkAdvertised(config) },
    {
      needs: ['coordinator.metadata', 'auth.allow_clear_text'],
      find: () => checkMetadata(config.coordinator.metadata, config.auth.allowClearText),
    },
  ];
}
