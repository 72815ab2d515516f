#!/usr/bin/env node
'use strict';
require('./launch.cjs').launch(['cmd/walnut.ts', ...process.argv.slice(2)]);
