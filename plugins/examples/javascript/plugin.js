// A bucket for logs, which go away by themselves.

import { write } from 'llmhost:plugin/log@0.2.0';
import { Bucket } from 'llmhost:aws-s3/s3@0.2.0';

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['bucket'],
  properties: {
    bucket: { type: 'string', description: 'Name of the bucket.' },
    keep_days: { type: 'integer', minimum: 1, default: 30, description: 'Days until a log is deleted.' },
  },
};

export function describe() {
  return {
    summary: 'A bucket for logs, which go away by themselves.',
    configSchema: JSON.stringify(schema),
    outputs: [
      { name: 'bucket', description: 'Name of the bucket', valueType: 'text' },
      { name: 'arn', description: 'ARN of the bucket', valueType: 'text' },
    ],
    needs: [],
  };
}

export function run(config) {
  const { bucket: name, keep_days: days = 30 } = JSON.parse(config);
  const bucket = Bucket.declare(
    'logs',
    {
      bucket: name,
      blockPublicAccess: true,
      encryption: { tag: 's3-managed' },
      versioning: false,
      lifecycle: [{ id: 'expire', prefix: '', expireAfterDays: days }],
      forceDestroy: true,
      tags: [['made-with', 'javascript']],
    },
    { after: [] },
  );
  write('info', `logs go to ${name} and stay ${days} days`);
  return JSON.stringify({ bucket: bucket.bucketName(), arn: bucket.arn() });
}
