// The host's interfaces, as far as the tests need them.
import { register } from 'node:module'

const MODULES = {
  'llmhost:plugin/log@0.2.0': `globalThis.lines = []; export const write = (level, text) => lines.push(level + ': ' + text)`,
  'llmhost:plugin/values@0.2.0': `export const isKnown = (text) => !text.includes('<<')`,
  'llmhost:plugin/file@0.2.0': `export const written = (pointer) => (pointer === '/ours' ? undefined : '\${theirs' + pointer + '}')`,
  'llmhost:aws-s3/s3@0.2.0': `const declared = () => class { static declare(...args) { return args } }
    export const Bucket = declared(), Folder = declared()`,
  // Tests put answers there, and errors to throw.
  'llmhost:http/http@0.2.0': `globalThis.answers = []; globalThis.requests = []
    export const send = (request) => {
      requests.push(request)
      const answer = answers.shift()
      if (answer instanceof Error) throw answer
      return { status: 200, headers: [], url: request.url, ...answer }
    }`,
  'llmhost:provider/wait@0.2.0': `globalThis.pauses = []; export const pause = (time) => pauses.push(time)`,
  'llmhost:resources/resources@0.2.0': `export class Any {
      static declare(...args) { globalThis.declared = args; return new Any() }
      output(name) { return JSON.stringify({ name }) }
      address() { return 'step/dns.record/www' }
    }`,
}
const hooks = `const modules = ${JSON.stringify(MODULES)}
export function resolve(name, context, next) {
  return name in modules ? { url: 'data:text/javascript,' + encodeURIComponent(modules[name]), shortCircuit: true } : next(name, context)
}`
register(`data:text/javascript,${encodeURIComponent(hooks)}`)
