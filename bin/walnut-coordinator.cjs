#!/usr/bin/env node
'use strict';
require('./launch.cjs').launch(['cmd/coordinator.ts', ...process.argv.slice(2)]);
