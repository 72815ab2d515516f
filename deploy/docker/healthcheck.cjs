'use strict';
// healthcheck.cjs [PORT [PATH]]: exit code 0 if the process in this container answers
// PATH with 200. By default that is /livez: a node that recovers is healthy, and is to be
// left alone. In clear text, and where that is refused by TLS. The certificate is not
// checked, because nothing is sent and the peer is this container.
const http = require('node:http');
const https = require('node:https');

const TIMEOUT_MS = 2500;
const [port = process.env.WALNUT_SERVER__PORT || '8080', path = '/livez'] = process.argv.slice(2);
const options = { host: '127.0.0.1', port, path, timeout: TIMEOUT_MS, rejectUnauthorized: false };

function ask(protocol, onFailed) {
  const request = protocol.get(options, (response) => {
    response.resume();
    if (response.statusCode === 200) process.exit(0);
    onFailed(`it answered ${response.statusCode}`);
  });
  request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
  request.on('error', (error) => onFailed(error.message));
}

ask(http, () =>
  ask(https, (why) => {
    process.stderr.write(`port ${port}: ${why}\n`);
    process.exit(1);
  }),
);
