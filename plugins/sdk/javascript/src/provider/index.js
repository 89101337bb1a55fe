// Write an llmhost provider in JavaScript or TypeScript. index.d.ts documents it.
import '../console.js'
import * as log from 'llmhost:plugin/log@0.2.0'
import * as wait from 'llmhost:provider/wait@0.2.0'
import { told } from '../crash.js'
import { parsed, schemaOf } from '../schema.js'
import { invalid, isReported } from './error.js'
import * as http from './http.js'

export { http, log }
export { ProviderError } from './error.js'
export { defineKind } from './kind.js'

/** What the host waits at most in one call. */
const PAUSE = 60_000

export function pause(milliseconds) {
  for (let left = Math.ceil(milliseconds); left > 0; left -= PAUSE) wait.pause(Math.min(left, PAUSE))
}

export function defineProvider({ summary, config: schema, kinds }) {
  const byName = new Map()
  for (const kind of kinds) {
    const { name } = kind.described
    if (byName.has(name)) throw new TypeError(`there are two kinds that are called '${name}'`)
    if (kind.config !== schema) throw new TypeError(`the config of the kind '${name}' is not the provider's; give both the same schema`)
    byName.set(name, kind.calls)
  }
  const call = (verb) => told((config, kind, ...args) => byName.get(kind)[verb](parsed(schema, config, invalid), ...args), isReported)
  return {
    describe: told(() => ({ summary, configSchema: JSON.stringify(schemaOf(schema)), kinds: kinds.map(({ described }) => described) }), isReported),
    create: call('create'),
    find: call('find'),
    read: call('read'),
    update: call('update'),
    delete: call('delete'),
  }
}
