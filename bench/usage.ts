/** What `npm run bench -- --help` says. */

export const USAGE = `Usage: npm run bench -- [SUITE…] [options]      every suite where none is named
       npm run bench -- chart [FILE]              draws docs/bench.svg from what --json wrote;
                                                  default bench/baseline.json

  unary         single Gets and Sets by Connect, JSON, gRPC and /v1/keys, next to
                bare node:http and node:http2 answering the same bytes, to stock
                connect-node, and to redis-server, etcd, nghttpd and Go's net/http where
                they are installed;
                load by wrk and h2load where they are installed
  batch         batches of 100 Gets and of 100 Sets, counted in operations, next to the
                same operations one by one, to bare Node answering the same bytes, and
                to redis-benchmark -P 100 where it is installed
  mixed         the calls of unary and batch by turns on one process, as users mix them,
                next to a process for each kind that knows no other, and to one bare Node
                process that answers the same bytes; --only: the kinds shown
  durable       Sets at wal.fsync interval and always, next to Gets, to each other, to
                write and fdatasync alone, and to redis-server with the same promises
  gateway       Gets, Sets and batches of 100 through a gateway with one, two and three
                groups of one node, next to the same calls at a node (processor time of
                each; what the gateway adds to a call that is alone), to a relay of the
                same bytes that looks at none of them, and to a cluster of
                redis-server under redis-benchmark --cluster where it is installed
  watch         Sets with 1,000 watchers of disjoint prefixes next to Sets without;
                changes a second to one watcher, from the log and as they are made
  replication   a master, three replicas and the load as processes of this machine:
                from a write's answer to its visibility on a replica; what three
                replicas cost the master; how fast an empty replica catches up
  recovery      time and peak memory of a start from the log and from a snapshot,
                next to redis-server loading the same entries from its AOF and its
                RDB where it is installed
  memory        resident memory at rest of as many entries, and after nine tenths of them
                were deleted, next to redis-server where it is installed
  latency       times of Gets and Sets at a fixed rate with many entries and a checkpoint
                in the middle, each from when it was due, next to redis-server (BGSAVE)
  pace          times of Gets and Sets over HTTP/1.1 at a rate that leaves the server half
                idle, each from when it was due, next to bare node:http and to another
                checkout
  eviction      Sets into caches that are full, by entries and by bytes, and the hits of
                a zipf-like stream and of a recorded trace, next to redis-server with
                allkeys-lru and to an exact LRU; of the trace also what Belady's optimum
                and redis's policies would find, simulated
  embedded      a replica in the reader's own process, next to a Map with the same keys and
                to a client of redis-server where it is installed; and how late that
                process's event loop runs while the master is written to
  deletes       very many entries deleted by prefix: how fast, and the event loop's delay
  flat          operations in a second of the server's processor time, with few and with
                many entries; and of the store alone
  checkpoint    what checkpoints of many entries cost who writes meanwhile: times of
                writes and the event loop's delay, with and without, in turn
  stalls        the longest turn of the event loop with the largest messages of each rpc,
                in processor time of its thread
  store         entries in memory, no server and no log: CPU time per operation, bytes
                per entry, the longest stretch and collection, for the store and for
                the layouts that it was chosen from

  --rounds N       measurements of each kind, in turn; default 5, the median is shown
  --seconds N      of each measurement under load; default 1 for mixed and gateway, 2
                   for unary, batch, durable, watch, eviction and flat, 5 for embedded, 10 for
                   replication, latency, pace and checkpoint
  --rate N         replication, checkpoint, embedded: writes per second; latency,
                   pace: requests; default 5000, 12000 for pace, and 20000 for embedded
  --entries N,N,…  recovery, store: numbers of entries; default 100000,500000,1000000
                   and 100000,1000000,4000000; memory: default 1000000;
                   flat: default 10000,10000000, compared with the first;
                   latency, eviction, checkpoint, deletes, embedded: one number; default
                   4000000, 100000 and 1000000 for the others
  --groups N,N,…   gateway: numbers of groups; default 1,2,3
  --records N      replication: to catch up with; default 1000000
  --only TEXT      unary, batch, gateway, mixed, durable, stalls: calls whose name has
                   this text, such as "get"
  --beside DIR     pace: another checkout of Walnut, in which npm ci was run, such as that of
                   the last release (git worktree add DIR TAG)
  --trace FILE     eviction: gzipped little-endian 32-bit keys; default orm-busy.trace.gz
                   in the folder that WALNUT_TRACES names; skipped without either
  --json FILE      write every round as JSON, too
  --against FILE   compare with what --json wrote: names each ratio that fell by more
                   than its noise, and exits 1 where one did. The noise of a ratio is
                   its spread over the rounds, (highest - lowest) / median, the mean of
                   both runs', and at least 5 %; it fell where its median is worse than
                   the baseline's by more than that. Only ratios are compared,
                   of the suites named, or of all that the file has.

Exit codes: 0; 1 a ratio fell, or a measurement failed; 2 the command line.

Examples:
  npm run bench -- unary --only "get h1" --rounds 9
  npm run bench -- recovery --entries 1000000
  npm run bench -- checkpoint replication --seconds 5
  npm run bench -- store --entries 10000000 --rounds 1
  npm run bench -- --json bench/baseline.json && npm run bench -- chart
  npm run bench -- unary --against bench/baseline.json
`;
