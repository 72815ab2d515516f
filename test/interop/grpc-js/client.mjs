/**
 * Calls a Walnut node with grpc-js. Arguments: where `@grpc/grpc-js` and `@bufbuild/protobuf`
 * are installed, host:port, and a FileDescriptorSet of api/. Messages are made from the
 * descriptors. Prints one line for each step; the test compares them.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [grpcPlace, protobufPlace, address, descriptors] = process.argv.slice(2);
const grpc = createRequire(grpcPlace)('@grpc/grpc-js');
const requireProtobuf = createRequire(protobufPlace);
const { createFileRegistry, fromBinary, fromJson, toBinary } = requireProtobuf('@bufbuild/protobuf');
const { FileDescriptorSetSchema } = requireProtobuf('@bufbuild/protobuf/wkt');

const service = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors))).getService(
  'walnut.v1.KVStore',
);
const client = new grpc.Client(address, grpc.credentials.createInsecure());

/** What grpc-js needs of a method to call it. */
function shapeOf(name) {
  const method = service.methods.find((one) => one.name === name);
  return {
    path: `/${service.typeName}/${name}`,
    encode: (fields) => Buffer.from(toBinary(method.input, fromJson(method.input, fields))),
    decode: (bytes) => fromBinary(method.output, bytes),
  };
}

function call(name, fields) {
  const { path, encode, decode } = shapeOf(name);
  const options = { deadline: Date.now() + 20_000 };
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, encode, decode, fields, new grpc.Metadata(), options, (error, answer) =>
      error === null ? resolve(answer) : reject(error),
    );
  });
}

const say = (...words) => console.log(...words);
const text = (bytes) => Buffer.from(bytes).toString();
const base64 = (value) => Buffer.from(value).toString('base64');

say('set', (await call('Set', { key: 'interop', value: base64('v'), ttlMs: '60000' })).applied);
const got = await call('Get', { key: 'interop' });
say('get', got.found, text(got.value), got.expireAtMs > 0n);
say('increment', String((await call('Increment', { key: 'n', delta: '41', initial: '1' })).value));
const operations = [{ set: { key: 'b', value: base64('w') } }, { get: { key: 'b' } }];
const { results } = await call('Batch', { operations });
say('batch', results.length, text(results[1].result.value.value));
await call('Get', { key: '' }).catch((error) => say('refused', grpc.status[error.code]));

const { path, encode, decode } = shapeOf('Watch');
const watch = client.makeServerStreamRequest(path, encode, decode, {
  key: 'watched',
  progressEveryMs: 1_000,
});
await new Promise((resolve, reject) => {
  let isOpen = false;
  watch.on('error', reject);
  watch.on('data', ({ events }) => {
    if (!isOpen) call('Set', { key: 'watched', value: base64('seen') }).catch(reject);
    isOpen = true;
    if (events.length === 0) return;
    say('watch', events[0].key, text(events[0].value));
    watch.off('error', reject);
    watch.on('error', () => {});
    watch.cancel();
    resolve();
  });
});

const large = Buffer.alloc(3_000_000);
await call('Set', { key: 'large', value: large.toString('base64') });
say('large', large.equals((await call('Get', { key: 'large' })).value));
await call('Delete', { key: 'n' });
client.close();
