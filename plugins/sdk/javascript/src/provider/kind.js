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
  // The host waits for nothing that a call returns.
  const waiting = [...NEEDED, 'update'].find((name) => kind[name]?.constructor.name === 'AsyncFunction')
  if (waiting) throw wrong(`has a function ${waiting} that is async; requests and pause return when they are done, so it need not be`)
  const { immutable = [], unique = [], outputs = {} } = kind
  const schema = schemaOf(kind.spec)
  const fields = Object.keys(schema.properties ?? {})
  for (const [what, names] of Object.entries({ immutable, unique })) {
    const other = names.find((name) => !fields.includes(name))
    if (other) throw wrong(`says that '${other}' is ${what}, and its spec has no such field; it has ${fields.join(', ')}`)
  }
  const mutable = kind.update ? [] : fields.filter((name) => !immutable.includes(name))
  if (mutable.length) throw wrong(`has no function update, so every field has to be immutable; write update, or add ${mutable.join(', ')}`)
  const described = {
    name: kind.name,
    summary: kind.summary,
    specSchema: JSON.stringify(schema),
    immutable,
    unique,
    outputs: Object.entries(outputs).map(outputOf),
  }
  return { described, config: kind.config, calls: calls(kind) }
}

const outputOf = ([name, { description, identity = false, sensitive = false }]) => ({ name, description, identity, sensitive })

/** The functions of a kind, from JSON to JSON. */
function calls(kind) {
  const spec = (text) => parsed(kind.spec, text, invalid)
  const wrong = (verb, what, value) => new TypeError(`${kind.name}.${verb} must return ${what}, and returns ${JSON.stringify(value) ?? 'nothing'}`)
  const object = (verb, what, value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(verb, what, value)
    return value
  }
  const json = (verb, what, value) => JSON.stringify(object(verb, what, value))
  const made = (verb, given) => {
    const { id, outputs } = object(verb, '{ id, outputs }', given)
    if (typeof id !== 'string') throw wrong(verb, 'an id that is a string', id)
    return { id, outputs: json(verb, 'outputs that are an object', outputs) }
  }
  const seen = (id, given) => {
    const { spec: there, outputs } = object('read', '{ spec, outputs }', given)
    return { id, spec: json('read', 'a spec that is an object', there), outputs: json('read', 'outputs that are an object', outputs) }
  }
  return {
    create: (config, given, token) => made('create', kind.create({ config, spec: spec(given), token })),
    find: (config, given, token) => optional(kind.find({ config, spec: known(kind, given), token }), (found) => made('find', found)),
    read: (config, id, given) => optional(kind.read({ config, id, spec: known(kind, given) }), (there) => seen(id, there)),
    update: (config, id, old, given) => {
      // The host replaces what cannot be changed.
      if (!kind.update) throw invalid('it cannot be changed in place')
      return json('update', 'outputs that are an object', kind.update({ config, id, old: known(kind, old), spec: spec(given) }))
    },
    delete: (config, id, given) => void kind.delete({ config, id, spec: known(kind, given) }),
  }
}

/** A spec from the state. One that an older version wrote can be read and deleted, whatever the schema says now. */
function known({ spec }, given) {
  const { success, data } = spec.safeParse(JSON.parse(given))
  return success ? data : JSON.parse(given)
}

const optional = (value, form) => (value === undefined || value === null ? undefined : form(value))
