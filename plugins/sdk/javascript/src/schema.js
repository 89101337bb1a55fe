// Schemas of zod as the host knows them, and values held against them.
import { toJSONSchema } from 'zod'

/** JSON Schema of what stands in the pipeline file: an option with a default may be absent. */
export function schemaOf(schema) {
  return toJSONSchema(schema, {
    io: 'input',
    // Bounds of what a number can hold are no bounds of the option.
    override: ({ jsonSchema }) => {
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    },
  })
}

/** What the host gives as JSON, by its schema. `refused` makes an error of a sentence that says what is wrong. */
export function parsed(schema, text, refused) {
  const given = JSON.parse(text)
  const { success, data, error } = schema.safeParse(given)
  if (success) return data
  const at = (path) => path.reduce((value, part) => value?.[part], given)
  // What is not known yet, and a secret, may become anything that a text can be.
  const issues = error.issues.filter(({ code, path }) => code === 'invalid_type' || !isOpaque(at(path)))
  // The host has filled the defaults in.
  if (!issues.length) return given
  const told = (issue) => {
    if (isOpaque(at(issue.path))) return `${place(issue)} is known when the plan is applied; only a text can wait for that`
    return sentence(issue)
  }
  throw refused(issues.map(told).join('; '))
}

/** An issue of zod with its place. */
export const sentence = (issue) => (issue.path.length ? `${place(issue)}: ${issue.message}` : issue.message)

const place = ({ path }) => path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('').replace(/^\./, '')

const isOpaque = (value) => typeof value === 'string' && value.includes('<<')
