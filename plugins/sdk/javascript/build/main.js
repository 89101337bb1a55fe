#!/usr/bin/env node
// llmhost-build ENTRY -o OUT.wasm [--wit FOLDER]
import { parseArgs } from 'node:util'
import { build } from './build.js'

const USAGE = 'llmhost-build ENTRY -o OUT.wasm    makes a plugin or a provider in JavaScript or TypeScript a component'

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { output: { type: 'string', short: 'o' }, wit: { type: 'string' } } })
  if (positionals.length !== 1 || !values.output) throw new Error(USAGE)
  await build(positionals[0], values.output, values.wit)
} catch (error) {
  // esbuild has said already what is wrong in the sources.
  if (!error.errors) console.error(`error: ${error.message}`)
  process.exitCode = 1
}
