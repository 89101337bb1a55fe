// Resources of the kinds that providers bring. resources.d.ts documents it.
import { OPTIONS, check, wrong } from './check.js'

/** `declare` with specs and outputs as values, where the host's resource has JSON. */
export function declaresAny(any) {
  return (kind, name, spec, options = {}) => {
    if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) throw wrong('spec', 'an object', spec)
    const [of, called, given] = [check('string', kind, 'kind'), check('string', name, 'name'), check(OPTIONS, options, 'options')]
    const resource = any.declare(of, called, JSON.stringify(spec), given)
    return { output: (output) => JSON.parse(resource.output(check('string', output, 'output'))), address: () => resource.address() }
  }
}
