#!/usr/bin/env node
'use strict';
require('./launch.cjs').launch(['cmd/node.ts', ...process.argv.slice(2)]);
