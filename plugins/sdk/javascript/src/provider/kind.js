// A kind of resource: what its author says, looked at when the component is built, and its functions as the host calls them.
import { parsed, schemaOf } from '../schema.js'
import { invalid } from './error.js'

const NEEDED = ['create', 'find', 'read', 'delete']
const FIELDS = ['name', 'summary', 'config', 'spec', 'immutable', 'unique', 'outputs', 'update', ...NEEDED]

export function defineKind(kind) {
  const wrong = (problem) => new TypeError(`the kind '${kind.name}' ${problem}`)
  const unknown = Object.keys(kind).find((name) => !FIELDS.includes(name))
  if (unknown) throw wrong(`has no '${unknown}'; there are ${FIELDS.join(', ')}`)
  const missing = NEEDED.filter((name) => typeof kind[name] !== 'function')
  if (missing.length) throw wrong(`has no function ${missing.join(' and no function ')}`)
  const { immutable = [], unique = [], outputs = {} } = kind
  const schema = schemaOf(kind.spec)
  const fields = Object.keys(schema.properties ?? {})
  for (const [what, names] of Object.entries({ immutable, unique })) {
    const other = names.find((name) => !fields.includes(name))
    if (other) throw wrong(`says that '${other}' is ${what}, and its spec has no such field; it has ${fields.join(', ')}`)
  }
  const mutable = kind.update ? [] : fields.filter((name) => !immutable.includes(name))
  if (mutable.length) throw wrong(`has no function update, so every field has to be immutable; add ${mutable.join(', ')} to immutable, or write update`)
  const described = {
    name: kind.name,
    summary: kind.summary,
    specSchema: JSON.stringify(schema),
    immutable,
    unique,
    outputs: Object.entries(outputs).map(([name, { description, identity = false, sensitive = false }]) => ({ name, description, identity, sensitive })),
  }
  return { described, config: kind.config, calls: calls(kind) }
}

/** The functions of a kind, from JSON to JSON. */
function calls(kind) {
  const spec = (text) => parsed(kind.spec, text, invalid)
  const made = (name, given) => {
    const { id, outputs } = object(name, '{ id, outputs }', given)
    if (typeof id !== 'string') throw returned(name, 'an id that is a string', id)
    return { id, outputs: text(name, 'outputs', outputs) }
  }
  return {
    create: (config, given, token) => made('create', kind.create({ config, spec: spec(given), token })),
    find: (config, given, token) => optional(kind.find({ config, spec: known(kind, given), token }), (found) => made('find', found)),
    read: (config, id, given) =>
      optional(kind.read({ config, id, spec: known(kind, given) }), (seen) => {
        const { spec: there, outputs } = object('read', '{ spec, outputs }', seen)
        return { id, spec: text('read', 'spec', there), outputs: text('read', 'outputs', outputs) }
      }),
    update: (config, id, old, given) => {
      // The host replaces what cannot be changed.
      if (!kind.update) throw invalid('it cannot be changed in place')
      return text('update', 'outputs', kind.update({ config, id, old: known(kind, old), spec: spec(given) }))
    },
    delete: (config, id, given) => {
      const promise = kind.delete({ config, id, spec: known(kind, given) })
      if (typeof promise?.then === 'function') throw returned('delete', 'nothing', promise)
    },
  }
}

/** A spec from the state. One that an older version wrote can be read and deleted, whatever the schema says now. */
function known({ spec }, given) {
  const { success, data } = spec.safeParse(JSON.parse(given))
  return success ? data : JSON.parse(given)
}

const optional = (value, form) => (value === undefined || value === null ? undefined : form(value))

const text = (name, what, value) => JSON.stringify(object(name, what, value))

function object(name, what, value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || typeof value.then === 'function') throw returned(name, what, value)
  return value
}

function returned(name, what, value) {
  // Calls of the host return when there is an answer.
  if (typeof value?.then === 'function') return new TypeError(`${name} must not be async: it has to return ${what}, and returns a promise`)
  return new TypeError(`${name} must return ${what}, and returns ${JSON.stringify(value) ?? 'nothing'}`)
}
