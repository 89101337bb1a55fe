// A topic for alerts, a bucket that keeps them, and a security group for who reads them.

import { Output, defineStep, log } from 'llmhost-plugin'
import * as cloudControl from 'llmhost-plugin/cloud-control'
import * as ec2 from 'llmhost-plugin/ec2'
import * as s3 from 'llmhost-plugin/s3'
import * as z from 'zod'

export const { describe, run } = defineStep({
  summary: 'A topic for alerts, a bucket that keeps them, and a security group for who reads them.',
  config: z.strictObject({
    name: z.string().regex(/^[a-z0-9-]{3,40}$/).describe('Name of the topic.'),
    vpc_id: z.string().describe('The network of the security group.'),
    source: z.string().default('10.0.0.0/8').describe('Who may read, an IPv4 range.'),
    port: z.int().min(1).max(65535).default(443).describe('The port.'),
    versioning: z.boolean().default(false).describe('Whether changed alerts are kept.'),
  }),
  outputs: [
    Output.text('topic_arn', 'ARN of the topic', { sensitive: true }),
    Output.text('bucket_arn', 'ARN of the bucket'),
    Output.text('security_group_id', 'ID of the security group'),
    Output.number('port', 'The port'),
  ],
  needs: ['cloud-control:AWS::SNS::Topic'],

  run(config) {
    const topic = cloudControl.Entity.declare('alerts', {
      typeName: 'AWS::SNS::Topic',
      properties: JSON.stringify({ TopicName: config.name }),
      createOnly: ['TopicName'],
      waitMinutes: 5,
      unchecked: false,
    })
    const bucket = s3.Bucket.declare('archive', {
      bucket: `${config.name}-archive`,
      blockPublicAccess: true,
      encryption: { tag: 's3-managed' },
      versioning: config.versioning,
      tags: [['holds', 'alerts']],
    })
    const group = ec2.SecurityGroup.declare('readers', {
      vpcId: config.vpc_id,
      groupName: config.name,
      description: 'Reads alerts',
    })
    ec2.SecurityGroupRule.declare('readers', {
      securityGroupId: group.id(),
      direction: 'ingress',
      ipProtocol: 'tcp',
      fromPort: config.port,
      toPort: config.port,
      peer: { tag: 'cidr', val: config.source },
      description: 'Readers',
    })
    log.write('info', `alerts of ${config.name} are kept`)
    return { topic_arn: topic.identifier(), bucket_arn: bucket.arn(), security_group_id: group.id(), port: config.port }
  },
})
