/** The loop of exports on a virtual clock: what is sent when, what is counted, and that nothing waits. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import type { Post, PostAnswer } from '#dial/post.ts';
import { ExportMetricsServiceRequestSchema, ExportMetricsServiceResponseSchema } from '#gen/otlp/otlp_pb.ts';
import type { LogFields } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { OtlpExporter } from '#telemetry/otlp-exporter.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const OK: PostAnswer = { status: 200, headers: {}, body: new Uint8Array() };
const BUSY: PostAnswer = { status: 503, headers: {}, body: new Uint8Array() };
const INTERVAL_MS = 15_000;

interface Sent {
  readonly atMs: number;
  readonly names: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

/** A collector that gives these answers one after another, and then takes everything. */
function rig(answers: (PostAnswer | Error | 'silence')[]) {
  const clock = new VirtualClock();
  const metrics = new Metrics();
  const sent: Sent[] = [];
  const lines: LogFields[] = [];
  let underWay = 0;
  const post: Post = async (body, headers, signal) => {
    const { resourceMetrics } = fromBinary(ExportMetricsServiceRequestSchema, body);
    const names = resourceMetrics.flatMap(({ scopeMetrics }) =>
      scopeMetrics.flatMap((scope) => scope.metrics.map(({ name }) => name)),
    );
    sent.push({ atMs: clock.monotonicMs(), names, headers });
    const answer = answers.shift() ?? OK;
    underWay += 1;
    expect(underWay).toBe(1);
    try {
      if (answer === 'silence')
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      if (answer instanceof Error) throw answer;
      return answer as PostAnswer;
    } finally {
      underWay -= 1;
    }
  };
  const logger = { warn: (fields: LogFields) => void lines.push(fields) };
  const exporter = new OtlpExporter({
    ...{ metrics, clock, post },
    logger: logger as never,
    random: new SeededRandom(1),
    endpoint: 'http://c:4318/v1/metrics',
    headers: () => ({ authorization: 'Bearer t' }),
    resource: { 'service.name': 'walnut' },
    intervalMs: INTERVAL_MS,
    startMs: clock.wallMs(),
  });
  const counted = async (): Promise<Record<string, number>> => {
    const { walnut_otlp_exports_total: found = [] } = await metrics.read(['walnut_otlp_exports_total']);
    return Object.fromEntries(found.map(({ labels, value = 0 }) => [labels['result'], value]));
  };
  return { clock, metrics, sent, lines, exporter, counted };
}

describe('the export of metrics', () => {
  it('sends everything at once and then at its interval, until it is closed', async () => {
    const { clock, metrics, sent, exporter, counted, lines } = rig([]);
    metrics.gauge('walnut_level', 'A level.').set(1);
    await clock.advance(INTERVAL_MS);
    expect(sent.map(({ atMs }) => atMs)).toEqual([0, INTERVAL_MS]);
    expect(sent[1]?.names).toEqual([
      'walnut_otlp_exports_total',
      'walnut_otlp_last_success_timestamp_seconds',
      'walnut_otlp_interval_seconds',
      'walnut_level',
    ]);
    expect(sent[0]?.headers).toEqual({
      authorization: 'Bearer t',
      'content-type': 'application/x-protobuf',
    });
    await exporter.close();
    await clock.advance(10 * INTERVAL_MS);
    expect([sent.length, await counted(), lines]).toEqual([2, { ok: 2 }, []]);
  });

  it('comes again sooner after a failure, with what is true by then, and each time later', async () => {
    const { clock, sent, lines, exporter, counted } = rig([BUSY, new Error('ECONNREFUSED'), BUSY]);
    await clock.advance(INTERVAL_MS);
    const waits = sent.slice(1).map(({ atMs }, at) => atMs - (sent[at]?.atMs ?? 0));
    expect(waits.map((ms, at) => ms >= 800 * 2 ** at && ms <= 1_200 * 2 ** at)).toEqual([true, true, true]);
    expect(await counted()).toEqual({ failed: 3, ok: 1 });
    expect(lines.map(({ why }) => why)).toEqual(['HTTP 503', 'ECONNREFUSED', 'HTTP 503']);
    await exporter.close();
  });

  it('gives up a collector that does not answer, and one that is being asked when it is closed', async () => {
    const { clock, sent, lines, exporter } = rig(['silence', 'silence']);
    await clock.advance(9_999);
    expect([sent.length, lines.length]).toEqual([1, 0]);
    await clock.advance(2_000);
    expect([sent.length, lines.map(({ why }) => why)]).toEqual([2, ['no answer within 10 s']]);
    await exporter.close();
    await clock.advance(INTERVAL_MS);
    expect([sent.length, lines.length]).toEqual([2, 1]);
  });

  it('names the key of the authority where that of the collector is not trusted', async () => {
    const foreign = Object.assign(new Error('self-signed certificate in certificate chain'), {
      code: 'SELF_SIGNED_CERT_IN_CHAIN',
    });
    const { clock, lines, exporter } = rig([foreign]);
    await clock.advance(0);
    expect(lines[0]?.['why']).toBe(
      'its certificate is of an authority that is not trusted here: expected it in metrics.otlp.ca',
    );
    await exporter.close();
  });

  it('is not taken by what answers 200 and is no collector', async () => {
    const body = Buffer.from('<html>welcome</html>');
    const { clock, metrics, lines, exporter, counted } = rig([
      { status: 200, headers: { 'content-type': 'text/html' }, body },
      { status: 200, headers: {}, body },
    ]);
    await clock.advance(2 * INTERVAL_MS - 1);
    expect(await counted()).toEqual({ refused: 2 });
    expect(lines[0]?.['why']).toBe('the answer is not that of OTLP (content-type text/html)');
    const name = 'walnut_otlp_last_success_timestamp_seconds';
    expect((await metrics.read([name]))[name]?.[0]?.value).toBe(0);
    await exporter.close();
  });

  it('tells what a collector took in part, and counts it', async () => {
    const body = toBinary(
      ExportMetricsServiceResponseSchema,
      create(ExportMetricsServiceResponseSchema, {
        partialSuccess: { rejectedDataPoints: 2n, errorMessage: 'too old' },
      }),
    );
    const headers = { 'content-type': 'application/x-protobuf' };
    const nothing = toBinary(
      ExportMetricsServiceResponseSchema,
      create(ExportMetricsServiceResponseSchema, { partialSuccess: {} }),
    );
    const { clock, lines, exporter, counted } = rig([
      { status: 200, headers, body },
      { status: 200, headers, body: nothing },
      { status: 200, headers, body: Buffer.from('no protobuf') },
    ]);
    await clock.advance(2 * INTERVAL_MS);
    expect(await counted()).toEqual({ partial: 1, ok: 1, refused: 1 });
    expect(lines.map(({ why }) => why)).toEqual([
      '2 points were refused: too old',
      'the answer is not that of OTLP (a body that cannot be decoded)',
    ]);
    await exporter.close();
  });
});
