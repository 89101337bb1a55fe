// A bucket for logs, which are deleted after some days.

import { write } from 'llmhost:plugin/log@0.2.0'
import { Bucket } from 'llmhost:aws-s3/s3@0.2.0'
import type { Description } from 'llmhost:plugin/types@0.2.0'

/** What stands in the step's `with` table; the schema below says the same. */
interface Options {
  bucket: string
  keep_days: number
}

/** What the step gives to others. */
interface Outputs {
  name: string
  arn: string
}

// JSON Schema of the step's `with` table. llmhost checks it and fills the defaults in.
const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['bucket'],
  properties: {
    bucket: { type: 'string', description: 'Name of the bucket.' },
    keep_days: { type: 'integer', minimum: 1, default: 30, description: 'Days until a log is deleted.' },
  } satisfies Record<keyof Options, object>,
}

export function describe(): Description {
  return {
    summary: 'A bucket for logs, which are deleted after some days.',
    configSchema: JSON.stringify(schema),
    outputs: [
      { name: 'name', description: 'Name of the bucket', valueType: 'text' },
      { name: 'arn', description: 'ARN of the bucket', valueType: 'text' },
    ],
    needs: [],
  }
}

export function run(config: string): string {
  const options: Options = JSON.parse(config)
  // Says what should exist, and returns at once; reading an output waits until it does.
  const bucket = Bucket.declare(
    'logs',
    {
      bucket: options.bucket,
      blockPublicAccess: true,
      encryption: { tag: 's3-managed' },
      versioning: false,
      lifecycle: [{ id: 'expire', prefix: '', expireAfterDays: options.keep_days }],
      forceDestroy: false,
      tags: [],
    },
    { after: [] },
  )
  write('info', `logs stay ${options.keep_days} days`)
  const outputs: Outputs = { name: bucket.bucketName(), arn: bucket.arn() }
  return JSON.stringify(outputs)
}
