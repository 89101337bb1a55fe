// A bucket for logs, which are deleted after some days.

import { write } from 'llmhost:plugin/log@0.2.0'
import { Bucket } from 'llmhost:aws-s3/s3@0.2.0'

// JSON Schema of the step's `with` table. llmhost checks it and fills the defaults in.
const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['bucket'],
  properties: {
    bucket: { type: 'string', description: 'Name of the bucket.' },
    keep_days: { type: 'integer', minimum: 1, default: 30, description: 'Days until a log is deleted.' },
  },
}

/** @returns {import('llmhost:plugin/types@0.2.0').Description} */
export function describe() {
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

/** @param {string} config */
export function run(config) {
  /** @type {{ bucket: string, keep_days: number }} */
  const options = JSON.parse(config)
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
  return JSON.stringify({ name: bucket.bucketName(), arn: bucket.arn() })
}
