import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { Names, Output, defineStep, failure, failureOf, invalid, isKnown, log, nameOf, pointer, written } from 'llmhost-plugin'
import * as s3 from 'llmhost-plugin/s3'
import * as z from 'zod'

const table = JSON.parse(readFileSync(process.env.NAMES, 'utf8'))
const bucket = { bucket: 'logs', encryption: { tag: 's3-managed' } }

function thrown(call) {
  try {
    call()
  } catch (error) {
    return error
  }
  assert.fail('it throws')
}

test('names are those of every language', () => {
  for (const [identity, name] of table) assert.equal(nameOf(identity), name, identity)
})

test('the same thing twice is refused with both places', () => {
  const names = new Names('access entry')
  assert.equal(names.take('ops', 'admins[0]'), 'ops')
  const { code, message } = failureOf(thrown(() => names.take('ops', 'access.ops')))
  assert.deepEqual([code, message], ['invalid', 'admins[0] and access.ops are the same access entry (ops); remove one of them'])
})

test('values are asked of the host', () => {
  assert.equal(pointer('access', 'a/b~c', 0), '/access/a~1b~0c/0')
  assert.deepEqual([written('/ours', 'mine'), written('/x', 'mine')], ['mine', '${theirs/x}'])
  assert.deepEqual([isKnown('a'), isKnown('<<a>>')], [true, false])
})

const step = defineStep({
  summary: 'A bucket.',
  config: z.strictObject({
    bucket: z.string().describe('Its name.'),
    rules: z.array(z.strictObject({ days: z.int().min(1).default(30) })).default([]),
  }),
  outputs: [Output.text('arn', 'Its ARN'), Output.any('rest', 'The rest', { sensitive: true })],
  needs: ['cloud-control:AWS::SNS::Topic'],
  run(config) {
    if (config.bucket === 'crash') throw new TypeError('no such bucket')
    if (config.bucket === 'fail') throw failure('exists', 'it is there')
    return { arn: config.bucket, rest: config.rules }
  },
})

test('a step says what it is, with the schema of what stands in the file', () => {
  const { configSchema, ...rest } = step.describe()
  assert.deepEqual(rest, {
    summary: 'A bucket.',
    outputs: [
      { name: 'arn', description: 'Its ARN', valueType: 'text', sensitive: false },
      { name: 'rest', description: 'The rest', valueType: undefined, sensitive: true },
    ],
    needs: ['cloud-control:AWS::SNS::Topic'],
  })
  const schema = JSON.parse(configSchema)
  assert.deepEqual([schema.required, schema.additionalProperties], [['bucket'], false])
  assert.deepEqual(schema.properties.bucket, { type: 'string', description: 'Its name.' })
  assert.deepEqual(schema.properties.rules.items.properties.days, { type: 'integer', minimum: 1, default: 30 })
})

test('a step runs with its defaults, and a wrong option is a failure that names it', () => {
  assert.equal(step.run('{"bucket":"b","rules":[{}]}'), '{"arn":"b","rest":[{"days":30}]}')
  const { code, message } = failureOf(thrown(() => step.run('{"bucket":"b","rules":[{"days":0}],"buckt":1}')))
  assert.equal(code, 'invalid')
  assert.match(message, /rules\[0\]\.days: .*; .*"buckt"/)
})

test('what is not known yet may become any text, and nothing else', () => {
  const { run } = defineStep({
    summary: 'A network.',
    config: z.strictObject({ vpc: z.string().regex(/^vpc-/), sort: z.enum(['a', 'b']).default('a'), rules: z.array(z.strictObject({ days: z.int().default(30) })) }),
    outputs: [Output.any('config', 'What came in')],
    run: (config) => ({ config }),
  })
  const unknown = '<<network/ec2.vpc/main#id>>'
  const given = { vpc: unknown, sort: 'a', rules: [{ days: 30 }] }
  assert.deepEqual(JSON.parse(run(JSON.stringify(given))).config, given)
  assert.equal(JSON.parse(run(JSON.stringify({ vpc: 'vpc-1', sort: unknown, rules: [] }))).config.sort, unknown)
  const { message } = failureOf(thrown(() => run(JSON.stringify({ vpc: 'x', rules: [{ days: unknown }] }))))
  assert.match(message, /^vpc: .*; rules\[0\]\.days is known when the plan is applied; only a text can wait for that$/)
})

test('a failure is no crash, and a crash is told in the log', () => {
  lines.length = 0
  assert.deepEqual(failureOf(thrown(() => step.run('{"bucket":"fail"}'))), { code: 'exists', message: 'it is there' })
  assert.deepEqual(lines, [])
  thrown(() => step.run('{"bucket":"crash"}'))
  assert.match(lines[0], /^debug: TypeError: no such bucket\n.*sdk\.test\.js:\d+:\d+/s)
})

test('the log takes what console is told', () => {
  lines.length = 0
  log.write('info', 'a')
  console.log('b', { c: 1 }, undefined)
  console.error(new RangeError('d'), invalid('e'))
  assert.deepEqual(lines, ['info: a', 'info: b {"c":1} undefined', 'warn: RangeError: d invalid: e'])
})

test('what a declaration leaves out is filled in', () => {
  assert.deepEqual(s3.Bucket.declare('logs', { ...bucket, lifecycle: [{ id: 'x', prefix: '' }] }), [
    'logs',
    {
      bucket: 'logs',
      blockPublicAccess: false,
      encryption: { tag: 's3-managed' },
      versioning: false,
      lifecycle: [{ id: 'x', prefix: '', expireAfterDays: undefined, expireNoncurrentAfterDays: undefined, abortMultipartAfterDays: undefined }],
      forceDestroy: false,
      tags: [],
    },
    { after: [] },
  ])
})

test('a declaration of another type says which field', () => {
  for (const [spec, message] of [
    [undefined, 'spec must be an object, and is nothing'],
    [{ ...bucket, bucket: 3 }, 'spec.bucket must be a string, and is 3'],
    [{ ...bucket, tag: [] }, /^spec\.tag: there is no such field; there are bucket, blockPublicAccess/],
    [{ ...bucket, versioning: 'yes' }, "spec.versioning must be true or false, and is 'yes'"],
    [{ ...bucket, encryption: { tag: 'none' } }, /^spec\.encryption must be { tag: 's3-managed' \| 'kms' }, and is/],
    [{ ...bucket, encryption: { tag: 'kms' } }, 'spec.encryption.val must be a string, and is nothing'],
    [{ ...bucket, tags: [['a']] }, 'spec.tags[0] must be a list of 2, and is ["a"]'],
    [{ ...bucket, lifecycle: [{ id: 'x', prefix: '', expireAfterDays: -1 }] }, 'spec.lifecycle[0].expireAfterDays must be a whole number from 0 to 4294967295, and is -1'],
  ]) {
    const error = thrown(() => s3.Bucket.declare('logs', spec))
    assert.ok(error instanceof TypeError && (message instanceof RegExp ? message.test(error.message) : message === error.message), error.message)
  }
})

test('types hold a plugin to its outputs and to the interfaces', () => {
  const plugin = (spec, outputs) => `
    import { Output, defineStep, log } from 'llmhost-plugin'
    import * as s3 from 'llmhost-plugin/s3'
    import * as z from 'zod'
    export const { describe, run } = defineStep({
      summary: 'A bucket.',
      config: z.strictObject({ bucket: z.string() }),
      outputs: [Output.text('arn', 'Its ARN')],
      run(config) {
        log.write('info', config.bucket)
        const bucket = s3.Bucket.declare('logs', { bucket: config.bucket, encryption: { tag: 's3-managed' }${spec} })
        return { ${outputs} }
      },
    })`
  for (const [name, text] of [['good', plugin('', 'arn: bucket.arn()')], ['spec', plugin(', tag: []', 'arn: bucket.arn()')], ['output', plugin('', 'arm: bucket.arn()')]]) {
    writeFileSync(`${name}.ts`, text)
  }
  writeFileSync('tsconfig.json', '{ "extends": "llmhost-plugin/tsconfig.json", "files": ["good.ts", "spec.ts", "output.ts"] }')
  const { stdout } = thrown(() => execFileSync('npx', ['tsc', '--pretty', 'false'], { encoding: 'utf8', stdio: 'pipe' }))
  const errors = stdout.split('\n').filter((line) => /^\S+\(/.test(line)).map((line) => line.split('(')[0])
  assert.deepEqual(errors.sort(), ['output.ts', 'spec.ts'], stdout)
})

test('what cannot be built is told with its place', () => {
  const step = "import { defineStep } from 'llmhost-plugin'\nexport const { describe, run } = defineStep({})\n"
  for (const [text, message] of [
    ['export const x = 1', 'wrong.ts does not export describe and run: export const { describe, run } = defineStep({ … }), or of a provider export const kinds'],
    ["import 'llmhost:aws-foo/foo@0.2.0'; export const describe = 1, run = 2", 'there is no interface llmhost:aws-foo/foo@0.2.0 for a plugin; there are those of llmhost:aws-cloud-control@0.2.0'],
    ['export const = 1', 'wrong.ts:1:13'],
    [`${step}\n\nnothing.at.all`, /wrong\.ts cannot be made a component: .*nothing is not defined\n.*\(wrong\.ts:5:1\)/s],
  ]) {
    writeFileSync('wrong.ts', text)
    const { status, stderr } = spawnSync('npx', ['llmhost-build', 'wrong.ts', '-o', 'wrong.wasm'], { encoding: 'utf8' })
    assert.equal(status, 1)
    assert.ok(message instanceof RegExp ? message.test(stderr) : stderr.includes(message), stderr)
  }
})
