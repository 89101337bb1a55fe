// What a plugin declares is held against the interface's types here, where the stack still says who declared it. Fields that may be
// left out are filled in as the host does for older plugins: a list with an empty one, a boolean with false.

/** A resource whose `declare` checks its spec. */
export function declares(resource, spec) {
  const declare = resource.declare.bind(resource)
  const checked = (name, given, options = {}) => declare(check('string', name, 'name'), check(spec, given, 'spec'), check(OPTIONS, options, 'options'))
  Object.defineProperty(resource, 'declare', { value: checked, configurable: true, writable: true })
  return resource
}

/** What every `declare` takes beside a spec. */
export const OPTIONS = { record: { after: { list: 'string' } } }

/** The value with what was left out; throws a TypeError that says where another type is. */
export function check(type, value, place) {
  if (typeof type === 'string') return plain(type, value, place)
  if (type.option) return value === undefined || value === null ? undefined : check(type.option, value, place)
  if (type.list) {
    if (!Array.isArray(value)) throw wrong(place, 'a list', value)
    return value.map((item, at) => check(type.list, item, `${place}[${at}]`))
  }
  if (type.tuple) {
    if (!Array.isArray(value) || value.length !== type.tuple.length) throw wrong(place, `a list of ${type.tuple.length}`, value)
    return type.tuple.map((part, at) => check(part, value[at], `${place}[${at}]`))
  }
  if (type.enum) {
    if (!type.enum.includes(value)) throw wrong(place, `one of ${type.enum.map((one) => `'${one}'`).join(', ')}`, value)
    return value
  }
  return type.variant ? variant(type.variant, value, place) : record(type.record, value, place)
}

function record(fields, value, place) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(place, 'an object', value)
  const unknown = Object.keys(value).find((name) => !(name in fields))
  if (unknown) throw new TypeError(`${place}.${unknown}: there is no such field; there are ${Object.keys(fields).join(', ')}`)
  return Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, check(type, value[name] ?? absent(type), `${place}.${name}`)]))
}

function absent(type) {
  if (type === 'bool') return false
  return type.list ? [] : undefined
}

function variant(cases, value, place) {
  const { tag, val } = value ?? {}
  if (!(tag in cases)) throw wrong(place, `{ tag: ${Object.keys(cases).map((one) => `'${one}'`).join(' | ')} }`, value)
  return cases[tag] === null ? { tag } : { tag, val: check(cases[tag], val, `${place}.val`) }
}

function plain(type, value, place) {
  if (type === 'string' || type === 'char') {
    if (typeof value !== 'string') throw wrong(place, 'a string', value)
  } else if (type === 'bool') {
    if (typeof value !== 'boolean') throw wrong(place, 'true or false', value)
  } else if (type.startsWith('f')) {
    if (typeof value !== 'number') throw wrong(place, 'a number', value)
  } else if (type.endsWith('64')) {
    if (!Number.isSafeInteger(value)) throw wrong(place, 'a whole number', value)
  } else {
    const least = type.startsWith('u') ? 0 : -(2 ** (type.slice(1) - 1))
    const most = 2 ** (type.startsWith('u') ? type.slice(1) : type.slice(1) - 1) - 1
    if (!Number.isInteger(value) || value < least || value > most) throw wrong(place, `a whole number from ${least} to ${most}`, value)
  }
  return value
}

/** An error that says where something else is expected. */
export function wrong(place, expected, value) {
  const given = value === undefined ? 'nothing' : typeof value === 'object' ? JSON.stringify(value) : typeof value === 'string' ? `'${value}'` : String(value)
  return new TypeError(`${place} must be ${expected}, and is ${given}`)
}
