/** What roles allow: lists of grants. A call may do what one grant of its caller allows. Pure. */
import type { Access } from '#model/access.ts';

export interface Grant {
  readonly access: readonly Access[];
  /** `*`, `KVStore/*`, `KVStore/Get`, or the path of a page. */
  readonly methods: readonly string[];
  /** The keys that `read` and `write` are about; the empty prefix is every key. */
  readonly prefixes: readonly string[];
}

export type Role = readonly Grant[];

const EVERY_KEY = [''];
const EVERY_METHOD = ['*'];

function simple(...access: Access[]): Role {
  return [{ access, methods: EVERY_METHOD, prefixes: EVERY_KEY }];
}

export const BUILT_IN_ROLES: ReadonlyMap<string, Role> = new Map<string, Role>([
  ['reader', simple('read')],
  ['writer', simple('write')],
  // Everything that shows how a process and its cluster are, and nothing that changes them. Keys need `reader` beside.
  ['monitor', simple('observe', 'metrics')],
  ['operator', simple('observe', 'metrics', 'admin')],
  ['metrics', simple('metrics')],
  [
    'replica',
    [
      {
        access: ['replicate', 'follow', 'observe', 'read'],
        methods: [
          'Replication/*',
          'KVStore/GetUpdates',
          'Admin/Status',
          'Coordinator/Heartbeat',
          'Coordinator/GetShardMap',
          'Coordinator/WatchShardMap',
        ],
        prefixes: EVERY_KEY,
      },
    ],
  ],
  [
    'observer',
    [
      {
        access: ['follow', 'observe', 'read'],
        methods: [
          'Replication/RegisterObserver',
          'Replication/Observe',
          'Replication/FetchSnapshot',
          'KVStore/GetUpdates',
          'Admin/Status',
        ],
        prefixes: EVERY_KEY,
      },
    ],
  ],
  [
    // What a gateway asks of nodes and coordinators, for itself and for users that it names, whose rights count then.
    'gateway',
    [
      {
        access: ['read', 'write', 'observe', 'vouch'],
        methods: ['KVStore/*', 'Admin/Status', 'Coordinator/GetShardMap', 'Coordinator/WatchShardMap'],
        prefixes: EVERY_KEY,
      },
    ],
  ],
  [
    'coordinator',
    [{ access: ['coordinate', 'observe'], methods: ['Member/*', 'Admin/Status'], prefixes: EVERY_KEY }],
  ],
]);

/** What a role of the operator's own may allow; calls of nodes and coordinators to nodes need the roles `replica` and `coordinator`. */
export const OWN_ACCESS: readonly Access[] = ['read', 'write', 'observe', 'metrics', 'admin'];
