#!/usr/bin/env node
'use strict';
require('./launch.cjs').launch(['cmd/gateway.ts', ...process.argv.slice(2)]);
