#!/usr/bin/env node
'use strict';
require('./launch.cjs').launch(['cmd/slave.ts', ...process.argv.slice(2)]);
