/** One group of a cluster as a client calls it: its keys, at the members that the map has. */
import type { GroupMembers } from '#routing/group-members.ts';
import { MappedGroup, PAUSE_MS_MAX, type RefreshMap } from '#routing/mapped-group.ts';
import { GroupKeys } from './group-keys.ts';
import type { KeysOptions } from './keys.ts';
import type { NodeLinks, NodeStub } from './node-links.ts';
import type { Ownership } from './ownership.ts';
import type { Session } from './session.ts';

export interface ClusterGroupParts {
  readonly links: NodeLinks;
  readonly session: Session;
  readonly ownership: Ownership;
  readonly refresh: RefreshMap;
}

export class ClusterGroup {
  readonly id: string;
  readonly keys: GroupKeys;
  readonly #mapped: MappedGroup<NodeStub>;

  constructor(id: string, options: KeysOptions, { links, session, ownership, refresh }: ClusterGroupParts) {
    const mapped = new MappedGroup<NodeStub>(refresh);
    this.id = id;
    this.#mapped = mapped;
    this.keys = new GroupKeys(options, {
      routes: mapped.routes,
      links: { ...mapped.linksOver(links), close: () => links.close() },
      session,
      ownership,
      attempts: mapped.attempts,
      pauseMsMax: PAUSE_MS_MAX,
    });
  }

  /** True if the map has a member that can be called. */
  get hasMembers(): boolean {
    return this.#mapped.hasMembers;
  }

  /** The members and the leader are those of a newer map. */
  update(members: GroupMembers): void {
    this.#mapped.update(members);
  }
}
