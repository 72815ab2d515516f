import { describe, expect, it } from 'vitest';
import { findMisspelt } from '#config/misspelt-variables.ts';

describe('a variable that is almost a key’s', () => {
  it.each([
    ['WALNUT_SERVER_PORT', 'server.port', 'WALNUT_SERVER__PORT'],
    ['WALNUT_WAL_SYNC_INTERVAL', 'wal.sync_interval', 'WALNUT_WAL__SYNC_INTERVAL'],
    ['WALNUT_WAL__SYNCINTERVAL', 'wal.sync_interval', 'WALNUT_WAL__SYNC_INTERVAL'],
    ['WALNUT__SERVER__PORT', 'server.port', 'WALNUT_SERVER__PORT'],
    ['walnut_server__port', 'server.port', 'WALNUT_SERVER__PORT'],
    ['WALNUT_SERVER__TLS_CERT', 'server.tls.cert', 'WALNUT_SERVER__TLS__CERT'],
    ['WALNUTSERVERPORT', 'server.port', 'WALNUT_SERVER__PORT'],
  ])('%s is named with the one to set', (name, key, variable) => {
    expect(findMisspelt('master', { [name]: '1' })).toEqual([
      `${name} is ignored: the variable for ${key} is ${variable}`,
    ]);
  });

  it.each([
    'WALNUT_SERVER__PORT',
    'WALNUT_server__port',
    'WALNUT_SERVER__TLS__CERT',
    'WALNUT_PORT',
    'WALNUT_SERVICE_HOST',
    'WALNUT_SERVER_PORT_8080_TCP',
    'WALNUT_ADDRESS',
    'WALNUT_MASTER_ADDRESS',
    'SERVER_PORT',
    'constructor',
  ])('%s is not one', (name) => {
    expect(findMisspelt('master', { [name]: '1' })).toEqual([]);
  });

  it('depends on which keys the binary takes', () => {
    expect(findMisspelt('slave', { WALNUT_MASTER_ADDRESS: 'a:1' })).toEqual([
      'WALNUT_MASTER_ADDRESS is ignored: the variable for master.address is WALNUT_MASTER__ADDRESS',
    ]);
  });
});
