/** The sections of `walnut info`: which metrics belong together. Pure. */

export const SECTIONS = ['node', 'calls', 'store', 'memory', 'log', 'replication', 'security'] as const;
export type Section = (typeof SECTIONS)[number];

/** The first that fits; what fits none is about the node. */
const BEGINNINGS: readonly (readonly [Section, RegExp])[] = [
  ['memory', /^(walnut_memory|process_(resident|virtual)|walnut_request_body|walnut_http2_waiting)/],
  ['store', /^walnut_(store|fill|watch|scrub|rebuilds|limits)/],
  ['log', /^walnut_(wal|snapshot|checkpoint|aside|diverged|earliest|applied|durable|recovery)/],
  [
    'replication',
    /^walnut_(upstream|replica|replication|observer|push|digest|term|promotions|delay|lease|group)/,
  ],
  ['security', /^walnut_(auth|tls|audit|hosts|protected)/],
  ['calls', /^walnut_(rpc|batch|keys|slow|answers|bodies|requests|connections|http2|event_loop)/],
];

export function sectionOf(metric: string): Section {
  return BEGINNINGS.find(([, beginning]) => beginning.test(metric))?.[0] ?? 'node';
}
