import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { beforeEach, test } from 'node:test'
import { ProviderError, defineKind, defineProvider, http, pause } from 'llmhost-plugin/provider'
import * as resources from 'llmhost-plugin/resources'
import * as z from 'zod'

const URL = 'https://notes.example.com'
const CONFIG = JSON.stringify({ url: URL, key: '<<secret:notes>>' })
const config = z.strictObject({ url: z.string(), key: z.string().min(40).optional() })
const parts = {
  name: 'note',
  summary: 'A note.',
  config,
  spec: z.strictObject({ title: z.string(), text: z.string().default(''), pin: z.string().regex(/^\d+$/).meta({ writeOnly: true }).optional() }),
  immutable: ['title'],
  unique: ['title'],
  outputs: { revision: { description: 'Its revision.' }, link: { description: 'Its link.', identity: true, sensitive: true } },
  create({ config: { url, key }, spec, token }) {
    const { id, revision } = http.json({ method: 'POST', url: `${url}/notes`, bearer: key, body: { ...spec, token } })
    return { id, outputs: { revision, link: null } }
  },
  find: ({ spec, token }) => (token === 'mine' ? { id: spec.title, outputs: { revision: 1, link: null } } : undefined),
  read: ({ id, spec }) => (id === 'gone' ? null : { spec, outputs: { revision: 3, link: id } }),
  update: ({ old, spec }) => ({ revision: `${old.text} ${spec.text}`, link: null }),
  delete({ id }) {
    if (id === 'broken') undefined.at
    if (id === 'used') throw new ProviderError('conflict', 'it is used', { code: 'InUse', advice: 'stop what uses it' })
  },
}
const note = (changes) => defineKind({ ...parts, ...changes })
const kinds = defineProvider({ summary: 'Notes.', config, kinds: [note()] })

function thrown(call) {
  try {
    call()
  } catch (error) {
    return error
  }
  assert.fail('it throws')
}

beforeEach(() => {
  for (const told of [answers, requests, pauses, lines]) told.length = 0
})

test('a provider says what it is', () => {
  const { summary, configSchema, kinds: [{ specSchema, ...rest }] } = kinds.describe()
  assert.equal(summary, 'Notes.')
  assert.deepEqual(JSON.parse(configSchema).required, ['url'])
  const outputs = [
    { name: 'revision', description: 'Its revision.', identity: false, sensitive: false },
    { name: 'link', description: 'Its link.', identity: true, sensitive: true },
  ]
  assert.deepEqual(rest, { name: 'note', summary: 'A note.', immutable: ['title'], unique: ['title'], outputs })
  const { properties, required, additionalProperties } = JSON.parse(specSchema)
  assert.deepEqual([required, additionalProperties, properties.text], [['title'], false, { type: 'string', default: '' }])
  assert.equal(properties.pin.writeOnly, true)
})

test('functions get values, give values, and send the handles of secrets as they are', () => {
  answers.push({ status: 201, body: '{"id":"7","revision":1}' })
  const spec = { title: 'a', pin: '<<secret:pin>>' }
  assert.deepEqual(kinds.create(CONFIG, 'note', JSON.stringify(spec), 'mine'), { id: '7', outputs: '{"revision":1,"link":null}' })
  assert.deepEqual(requests, [{
    method: 'POST',
    url: `${URL}/notes`,
    headers: [['authorization', 'Bearer <<secret:notes>>'], ['accept', 'application/json'], ['content-type', 'application/json']],
    basic: undefined,
    body: JSON.stringify({ ...spec, token: 'mine' }),
    follow: false,
  }])
  assert.deepEqual(kinds.find(CONFIG, 'note', '{"title":"a"}', 'mine'), { id: 'a', outputs: '{"revision":1,"link":null}' })
  assert.equal(kinds.find(CONFIG, 'note', '{"title":"a"}', 'other'), undefined)
  assert.equal(kinds.read(CONFIG, 'note', 'gone', '{"title":"a"}'), undefined)
  assert.deepEqual(kinds.read(CONFIG, 'note', '7', '{"title":"a"}'), { id: '7', spec: '{"title":"a","text":""}', outputs: '{"revision":3,"link":"7"}' })
  assert.equal(kinds.update(CONFIG, 'note', '7', '{"title":"a","text":"b"}', '{"title":"a","text":"c"}'), '{"revision":"b c","link":null}')
  assert.equal(kinds.delete(CONFIG, 'note', '7', '{"title":"a"}'), undefined)
})

test('a wrong spec is refused where something is made of it, and read where it is in the state', () => {
  const wrong = '{"title":"a","text":"b","pin":"x"}'
  for (const call of [() => kinds.create(CONFIG, 'note', wrong, 't'), () => kinds.update(CONFIG, 'note', '7', '{"title":"a"}', wrong)]) {
    const { class: errorClass, message } = thrown(call).payload
    assert.equal(errorClass, 'invalid')
    assert.match(message, /^pin: /)
  }
  assert.equal(kinds.read(CONFIG, 'note', '7', wrong).spec, wrong)
  kinds.delete(CONFIG, 'note', '7', '{"of an older version":true}')
  assert.deepEqual(lines, [])
})

test('an error has a class, and everything else is a crash with its place', () => {
  const { payload } = thrown(() => kinds.delete(CONFIG, 'note', 'used', '{"title":"a"}'))
  assert.deepEqual(payload, { class: 'conflict', code: 'InUse', message: 'it is used', advice: 'stop what uses it' })
  assert.deepEqual(lines, [])
  assert.ok(thrown(() => kinds.delete(CONFIG, 'note', 'broken', '{"title":"a"}')) instanceof TypeError)
  assert.match(lines[0], /^debug: TypeError: .*provider\.test\.js:\d+:\d+/s)
  assert.match(thrown(() => new ProviderError('nope', 'x')).message, /no class of errors 'nope'; there are not-found, conflict, /)
})

test('a function that gives something else is told by name', () => {
  const calling = (verb, value) => () => defineProvider({ summary: '', config, kinds: [note({ [verb]: () => value })] })[verb](CONFIG, 'note', ...(verb === 'read' ? ['7', '{}'] : ['{"title":"a"}', 't']))
  assert.equal(thrown(calling('create', undefined)).message, 'note.create must return { id, outputs }, and returns nothing')
  assert.equal(thrown(calling('create', { id: 7, outputs: {} })).message, 'note.create must return an id that is a string, and returns 7')
  assert.equal(thrown(calling('find', { id: '7' })).message, 'note.find must return outputs that are an object, and returns nothing')
  assert.equal(thrown(calling('read', { spec: [], outputs: {} })).message, 'note.read must return a spec that is an object, and returns []')
})

test('a kind that does not fit together is refused when it is defined', () => {
  for (const [changes, message] of [
    [{ update: undefined }, "the kind 'note' has no function update, so every field has to be immutable; write update, or add text, pin"],
    [{ find: undefined, delete: 3 }, "the kind 'note' has no function find and no function delete"],
    [{ unique: ['name'] }, "the kind 'note' says that 'name' is unique, and its spec has no such field; it has title, text, pin"],
    [{ udpate() {} }, /has no 'udpate'; there are name, summary/],
    [{ async create() {} }, /has a function create that is async/],
  ]) {
    const error = thrown(() => note(changes))
    assert.ok(error instanceof TypeError && (message instanceof RegExp ? message.test(error.message) : message === error.message), error.message)
  }
  const fixed = note({ update: undefined, immutable: ['title', 'text', 'pin'] })
  assert.match(thrown(() => defineProvider({ config, kinds: [fixed, note()] })).message, /two kinds that are called 'note'/)
  assert.match(thrown(() => defineProvider({ config: z.strictObject({}), kinds: [fixed] })).message, /not the provider's/)
})

test('a status is an error of a class, with the words of the service', () => {
  for (const [status, body, errorClass, code, message] of [
    [401, '{"error":"the key is wrong"}', 'denied', 'HTTP 401', 'the key is wrong'],
    [403, '{"error":{"code":"Forbidden","message":"not yours"}}', 'denied', 'Forbidden', 'not yours'],
    [404, 'no such note', 'not-found', 'HTTP 404', 'no such note'],
    [409, '{"errors":[{"code":"taken","detail":"there is one"}]}', 'conflict', 'taken', 'there is one'],
    [422, '{"errors":["title is empty"]}', 'invalid', 'HTTP 422', 'title is empty'],
    [429, '', 'throttled', 'HTTP 429', 'status 429'],
    [302, '', 'invalid', 'HTTP 302', 'it is at /there'],
    [503, 'x'.repeat(9999), 'service', 'HTTP 503', `${'x'.repeat(400)}…`],
  ]) {
    answers.push({ status, body, headers: [['location', '/there']] })
    const error = thrown(() => http.json({ url: `${URL}/notes?key=k` }))
    const text = `GET ${URL}/notes: ${message}`
    assert.deepEqual(error.payload, { class: errorClass, code, message: text, advice: undefined })
  }
})

test('no answer is an error of a class, which says whether the service may have acted', () => {
  for (const [reason, mayHaveReached, method, errorClass] of [
    ['not-granted', false, 'POST', 'denied'],
    ['secret', false, 'POST', 'denied'],
    ['unreachable', false, 'POST', 'unreachable'],
    ['timeout', true, 'POST', 'unreachable'],
    ['protocol', true, 'GET', 'unreachable'],
    ['invalid', false, 'POST', 'invalid'],
    ['too-large', true, 'POST', 'service'],
    ['too-large', true, 'GET', 'invalid'],
  ]) {
    answers.push(Object.assign(new Error(), { payload: { class: reason, message: 'because', advice: 'do it', mayHaveReached } }))
    const { payload } = thrown(() => http.send({ method, url: URL }))
    assert.deepEqual(payload, { class: errorClass, code: undefined, message: 'because', advice: 'do it' }, reason)
  }
})

test('an answer is held against its schema', () => {
  const answer = z.object({ revision: z.number() })
  answers.push({ body: '{"revision":2,"more":1}' }, { status: 204, body: '' }, { body: '{"revision":"2"}' }, { body: '<html>' })
  assert.deepEqual(http.json({ url: URL, answer }), { revision: 2 })
  assert.equal(http.json({ method: 'DELETE', url: URL }), null)
  const { class: errorClass, message } = thrown(() => http.json({ url: URL, answer }))
  assert.equal(errorClass, 'service')
  assert.match(message, /the answer is not as expected: revision: /)
  assert.match(thrown(() => http.json({ url: URL })).message, /the answer is not JSON: <html>$/)
})

test('requests have what they are given, encoded', () => {
  answers.push({ status: 500, body: 'x', headers: [['etag', '1']] }, { body: '' })
  const response = http.send({ url: `${URL}?a=1`, query: { q: 'a b&c', none: undefined }, basic: ['me', '<<secret:p>>'], follow: true })
  assert.deepEqual(response, { status: 500, headers: { etag: '1' }, body: 'x', url: `${URL}?a=1&q=a%20b%26c` })
  http.json({ url: URL, bearer: undefined, headers: { accept: 'text/plain' } })
  assert.deepEqual([requests[0].basic, requests[0].follow], [['me', '<<secret:p>>'], true])
  assert.deepEqual(requests[1].headers, [['accept', 'text/plain']])
})

test('long pauses are several', () => {
  pause(130_000)
  assert.deepEqual(pauses, [60_000, 60_000, 10_000])
})

test('a plugin declares resources of providers with values', () => {
  const record = resources.declare('dns.record', 'www', { name: 'www', ttl: 60 })
  assert.deepEqual(declared, ['dns.record', 'www', '{"name":"www","ttl":60}', { after: [] }])
  assert.deepEqual([record.output('fqdn'), record.address()], [{ name: 'fqdn' }, 'step/dns.record/www'])
  assert.equal(thrown(() => resources.declare('dns.record', 'www', '{}')).message, "spec must be an object, and is '{}'")
  assert.match(thrown(() => resources.declare('dns.record', 'www', {}, { aftr: [] })).message, /^options\.aftr: there is no such field/)
})

const SOURCE = `
  import { defineKind, defineProvider, http, pause } from 'llmhost-plugin/provider'
  import * as z from 'zod'
  const config = z.strictObject({ url: z.string() })
  const note = defineKind({
    name: 'note', summary: 'A note.', config, spec: z.strictObject({ title: z.string(), text: z.string().default('') }),
    immutable: ['title'], outputs: { revision: { description: 'Its revision.' } },
    create({ config, spec, token }) {
      const { id } = http.json({ method: 'POST', url: config.url, body: [spec.text.length, token], answer: z.object({ id: z.string() }) })
      pause(10)
      return { id, outputs: { revision: 1 } }
    },
    find: () => undefined,
    read: ({ id, spec }) => ({ spec: { title: spec.title }, outputs: { revision: id } }),
    update: ({ old, spec }) => ({ revision: old.text === spec.text }),
    delete() {},
  })
  export const kinds = defineProvider({ summary: 'Notes.', config, kinds: [note] })`

test('types hold a kind to its schemas and outputs', () => {
  const wrong = {
    config: ['config.url, body', 'config.address, body'],
    spec: ['spec.text.length', 'spec.body'],
    answer: ['const { id }', 'const { ident: id }'],
    outputs: ['outputs: { revision: 1 }', 'outputs: { revison: 1 }'],
    observed: ['spec: { title: spec.title }', 'spec: { text: spec.text }'],
    immutable: ["immutable: ['title']", "immutable: ['titel']"],
    async: ['create({', 'async create({'],
    old: ['old.text', 'old.txt'],
    provider: ["'Notes.', config", "'Notes.', config: z.strictObject({ address: z.string() })"],
  }
  const files = Object.entries({ good: ['', ''], ...wrong }).map(([name, [from, to]]) => {
    assert.ok(SOURCE.includes(from))
    writeFileSync(`provider-${name}.ts`, SOURCE.replace(from, to))
    return `provider-${name}.ts`
  })
  writeFileSync('tsconfig.provider.json', JSON.stringify({ extends: 'llmhost-plugin/tsconfig.json', files }))
  const { stdout } = thrown(() => execFileSync('npx', ['tsc', '--pretty', 'false', '--project', 'tsconfig.provider.json'], { encoding: 'utf8', stdio: 'pipe' }))
  const errors = stdout.split('\n').filter((line) => /^\S+\(/.test(line)).map((line) => line.split('(')[0])
  assert.deepEqual([...new Set(errors)].sort(), files.slice(1).sort(), stdout)
})

test('a provider is built by what it exports, for the world of providers', () => {
  const built = (text) => {
    writeFileSync('built.ts', text)
    return spawnSync('npx', ['llmhost-build', 'built.ts', '-o', 'built.wasm'], { encoding: 'utf8' })
  }
  const { status, stderr } = built(SOURCE)
  assert.equal(status, 0, stderr)
  for (const [text, message] of [
    ["import { Any } from 'llmhost:resources/resources@0.2.0'\nexport const kinds = Any", 'there is no interface llmhost:resources/resources@0.2.0 for a provider; there are those of'],
    ["import { send } from 'llmhost:http/http@0.2.0'\nexport const describe = send, run = send", 'there is no interface llmhost:http/http@0.2.0 for a plugin; there are those of'],
    [SOURCE.replace(/update:.*\n/, ''), /built\.ts cannot be made a component: .*no function update.*\(built\.ts:\d+:/s],
  ]) {
    const { status, stderr } = built(text)
    assert.equal(status, 1)
    assert.ok(message instanceof RegExp ? message.test(stderr) : stderr.includes(message), stderr)
  }
})
