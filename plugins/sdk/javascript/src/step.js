// What a component exports, made of what its author says.
import { told } from './crash.js'
import { failureOf, invalid } from './failure.js'
import { parsed, schemaOf } from './schema.js'

const output = (valueType) => (name, description, { sensitive = false } = {}) => ({ name, description, valueType, sensitive })

export const Output = {
  text: output('text'),
  number: output('number'),
  boolean: output('boolean'),
  array: output('array'),
  object: output('object'),
  any: output(undefined),
}

export function defineStep({ summary, config: schema, outputs = [], needs = [], run }) {
  return {
    describe: told(() => ({ summary, configSchema: JSON.stringify(schemaOf(schema)), outputs, needs }), failureOf),
    run: told((text) => JSON.stringify(run(parsed(schema, text, invalid)) ?? {}), failureOf),
  }
}
