// The host's interfaces, as far as the tests need them.
import { register } from 'node:module'

const MODULES = {
  'llmhost:plugin/log@0.2.0': `globalThis.lines = []; export const write = (level, text) => lines.push(level + ': ' + text)`,
  'llmhost:plugin/values@0.2.0': `export const isKnown = (text) => !text.includes('<<')`,
  'llmhost:plugin/file@0.2.0': `export const written = (pointer) => (pointer === '/ours' ? undefined : '\${theirs' + pointer + '}')`,
  'llmhost:aws-s3/s3@0.2.0': `const declared = () => class { static declare(...args) { return args } }
    export const Bucket = declared(), Folder = declared()`,
}
const hooks = `const modules = ${JSON.stringify(MODULES)}
export function resolve(name, context, next) {
  return name in modules ? { url: 'data:text/javascript,' + encodeURIComponent(modules[name]), shortCircuit: true } : next(name, context)
}`
register(`data:text/javascript,${encodeURIComponent(hooks)}`)
