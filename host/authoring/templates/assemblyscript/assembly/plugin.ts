// A bucket for logs, which are deleted after some days.

import { Bucket, Encryption } from '../bindings/llmhost/aws-s3/s3'
import { Description, Failure, ValueType } from '../bindings/llmhost/plugin/types'
import { Result, err, ok, some } from '../bindings/runtime'
import { Json } from './json'

// JSON Schema of the step's `with` table. llmhost checks it and fills the defaults in.
const schema = `{
  "type": "object",
  "additionalProperties": false,
  "required": ["bucket"],
  "properties": {
    "bucket": {"type": "string", "description": "Name of the bucket."},
    "keep_days": {"type": "integer", "minimum": 1, "default": 30, "description": "Days until a log is deleted."}
  }
}`

export function describe(): Description {
  return {
    summary: 'A bucket for logs, which are deleted after some days.',
    configSchema: schema,
    outputs: [
      { name: 'name', description: 'Name of the bucket', valueType: some(ValueType.Text) },
      { name: 'arn', description: 'ARN of the bucket', valueType: some(ValueType.Text) },
    ],
  }
}

export function run(config: string): Result<string, Failure> {
  const options = Json.parse(config)
  const keepDays = <u32>options.get('keep_days').asInteger()
  // Says what should exist, and returns at once; reading an output waits until it does.
  const declared = Bucket.declare(
    'logs',
    {
      bucket: options.get('bucket').asText(),
      blockPublicAccess: true,
      encryption: Encryption.s3Managed(),
      lifecycle: [{ id: 'expire', prefix: '', expireAfterDays: some(keepDays) }],
    },
    {},
  )
  // A failure of the host is returned as it is.
  if (!declared.isOk) return err<string, Failure>(declared.error)
  const bucket = declared.value
  const name = bucket.bucketName()
  if (!name.isOk) return err<string, Failure>(name.error)
  const arn = bucket.arn()
  if (!arn.isOk) return err<string, Failure>(arn.error)
  console.info(`logs stay ${keepDays} days`)
  const outputs = Json.object().set('name', Json.text(name.value)).set('arn', Json.text(arn.value))
  return ok<string, Failure>(outputs.toString())
}
