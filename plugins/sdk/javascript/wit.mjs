// Reads the types of records out of WIT, as src/check.js checks values by them.

const camel = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase())
const pascal = (name) => camel(`-${name}`)
const entries = (body) => body.split(',').map((entry) => entry.trim()).filter(Boolean)

/** Every `type`, `record`, `variant` and `enum` of a file, by name. */
export function typesOf(text, others = {}) {
  const types = { ...others }
  const plain = text.replace(/\/\/.*$/gm, '')
  const blocks = plain.matchAll(/\b(?:type ([\w-]+) = ([^;]+);|(record|variant|enum) ([\w-]+) \{([^}]*)\})/g)
  for (const [, alias, aliased, sort, name, body] of blocks) {
    if (alias) types[alias] = parse(aliased, types)
    else if (sort === 'enum') types[name] = { enum: entries(body) }
    else if (sort === 'record') types[name] = { record: Object.fromEntries(fields(body).map(([field, type]) => [camel(field), parse(type, types)])) }
    else types[name] = { variant: Object.fromEntries(cases(body).map(([one, type]) => [one, type ? parse(type, types) : null])) }
  }
  return types
}

/** The resources that are declared, by their names in JavaScript: the type of each one's spec. */
export function declaredBy(text, types) {
  const plain = text.replace(/\/\/.*$/gm, '')
  const found = plain.matchAll(/\bresource ([\w-]+) \{\s*declare: static func\(name: string, spec: ([\w-]+), options: options\)/g)
  return Object.fromEntries([...found].map(([, name, spec]) => [pascal(name), known(spec, types)]))
}

const fields = (body) => splitTop(body).map((field) => field.split(/:\s*(.*)/s))
const cases = (body) => splitTop(body).map((one) => /^([\w-]+)(?:\((.*)\))?$/s.exec(one).slice(1))

/** Parts between commas that stand in no brackets. */
function splitTop(text) {
  const parts = ['']
  let depth = 0
  for (const char of text) {
    if ('<('.includes(char)) depth++
    if ('>)'.includes(char)) depth--
    if (char === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += char
  }
  return parts.map((part) => part.trim()).filter(Boolean)
}

const PLAIN = ['string', 'bool', 'u8', 'u16', 'u32', 'u64', 's8', 's16', 's32', 's64', 'f32', 'f64', 'char']

function parse(text, types) {
  const [, name, inner] = /^\s*([\w-]+)(?:<(.*)>)?\s*$/s.exec(text) ?? []
  if (inner !== undefined) return { [name]: name === 'tuple' ? splitTop(inner).map((part) => parse(part, types)) : parse(inner, types) }
  return PLAIN.includes(name) ? name : known(name, types)
}

function known(name, types) {
  if (!(name in types)) throw new Error(`the WIT names a type '${name}' before it defines it`)
  return types[name]
}
