// A bucket for logs, which are deleted after some days.

import { Output, defineStep, log } from 'llmhost-plugin'
import * as s3 from 'llmhost-plugin/s3'
import * as z from 'zod'

export const { describe, run } = defineStep({
  summary: 'A bucket for logs, which are deleted after some days.',
  // What stands in the step's `with` table.
  config: z.strictObject({
    bucket: z.string().describe('Name of the bucket.'),
    keep_days: z.int().min(1).default(30).describe('Days until a log is deleted.'),
  }),
  outputs: [Output.text('name', 'Name of the bucket'), Output.text('arn', 'ARN of the bucket')],

  run(config) {
    // Says what should exist, and returns at once; reading an output waits until it does.
    const bucket = s3.Bucket.declare('logs', {
      bucket: config.bucket,
      blockPublicAccess: true,
      encryption: { tag: 's3-managed' },
      lifecycle: [{ id: 'expire', prefix: '', expireAfterDays: config.keep_days }],
    })
    log.write('info', `logs stay ${config.keep_days} days`)
    return { name: bucket.bucketName(), arn: bucket.arn() }
  },
})
