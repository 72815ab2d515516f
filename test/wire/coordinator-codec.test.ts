import { describe, expect, it } from 'vitest';
import { SILENCE_MS } from '#cluster/figures.ts';
import { isHeard, isSilentAfter } from '#cluster/heartbeat.ts';
import { heartbeatOf } from '#test/doubles/heartbeat.ts';
import { fromNodesView } from '#wire/coordinator-codec.ts';

describe('the age of a heartbeat', () => {
  it.each([0, 0.4, SILENCE_MS - 0.4, SILENCE_MS, SILENCE_MS + 0.6])(
    'of %d ms makes a node silent to its reader where it does to its coordinator',
    (agoMs) => {
      const node = { name: 'a', address: 'a:1', zone: '', status: 'active' as const };
      const heard = { agoMs, heartbeat: heartbeatOf('a') };
      const view = {
        isActive: true,
        activeCoordinator: 'c:1',
        nodes: [{ node, isListed: true, group: '', heard }],
      };
      const [told] = fromNodesView(view).nodes;
      expect(isSilentAfter(Number(told?.heardAgoMs))).toBe(!isHeard({ heardMs: 0 }, agoMs));
    },
  );
});
