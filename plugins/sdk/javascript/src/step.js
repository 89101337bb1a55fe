// What a component exports, made of what its author says.
import { write } from 'llmhost:plugin/log@0.2.0'
import { toJSONSchema } from 'zod'
import { failureOf, invalid } from './failure.js'
import { mapped } from './stack.js'

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
    describe: told(() => ({ summary, configSchema: JSON.stringify(schemaOf(schema)), outputs, needs })),
    run: told((text) => JSON.stringify(run(parsed(schema, text)) ?? {})),
  }
}

/** JSON Schema of what stands in the pipeline file: an option with a default may be absent. */
function schemaOf(schema) {
  return toJSONSchema(schema, {
    io: 'input',
    // Bounds of what a number can hold are no bounds of the option.
    override: ({ jsonSchema }) => {
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    },
  })
}

function parsed(schema, text) {
  const given = JSON.parse(text)
  const { success, data, error } = schema.safeParse(given)
  if (success) return data
  const at = (path) => path.reduce((value, part) => value?.[part], given)
  // What is not known yet, and a secret, may become anything that a text can be.
  const issues = error.issues.filter(({ code, path }) => code === 'invalid_type' || !isOpaque(at(path)))
  // The host has filled the defaults in.
  if (!issues.length) return given
  const place = (path) => path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('').replace(/^\./, '')
  const told = ({ path, message }) => {
    if (isOpaque(at(path))) return `${place(path)} is known when the plan is applied; only a text can wait for that`
    return path.length ? `${place(path)}: ${message}` : message
  }
  throw invalid(issues.map(told).join('; '))
}

const isOpaque = (value) => typeof value === 'string' && value.includes('<<')

/** Writes the stack of an error to the log, from where the host takes it into its report of the crash. A failure is no crash. */
function told(call) {
  return (...args) => {
    try {
      return call(...args)
    } catch (error) {
      if (failureOf(error)) throw error
      const stack = error instanceof Error ? `${error.name}: ${error.message}\n${mapped(error.stack)}` : `Uncaught Error: ${String(error)}`
      write('debug', stack)
      throw error
    }
  }
}
