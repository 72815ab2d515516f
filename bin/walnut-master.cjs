#!/usr/bin/env node
'use strict';
require('./launch.cjs').launch(['cmd/master.ts', ...process.argv.slice(2)]);
