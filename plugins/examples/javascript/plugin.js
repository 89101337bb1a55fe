// A bucket for logs, which go away by themselves.
import { Output, defineStep, log } from 'llmhost-plugin'
import * as s3 from 'llmhost-plugin/s3'
import * as z from 'zod'

export const { describe, run } = defineStep({
  summary: 'A bucket for logs, which go away by themselves.',
  config: z.strictObject({
    bucket: z.string().describe('Name of the bucket.'),
    keep_days: z.int().min(1).default(30).describe('Days until a log is deleted.'),
  }),
  outputs: [Output.text('bucket', 'Name of the bucket'), Output.text('arn', 'ARN of the bucket')],

  run({ bucket: name, keep_days: days }) {
    const spec = {
      bucket: name,
      blockPublicAccess: true,
      encryption: { tag: 's3-managed' },
      versioning: false,
      lifecycle: [{ id: 'expire', prefix: '', expireAfterDays: days }],
      forceDestroy: true,
      tags: [['made-with', 'javascript']],
    }
    const bucket = s3.Bucket.declare('logs', spec, { after: [] })
    log.write('info', `logs go to ${name} and stay ${days} days`)
    return { bucket: bucket.bucketName(), arn: bucket.arn() }
  },
})
