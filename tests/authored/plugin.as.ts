// A topic for alerts, a bucket that keeps them, and a security group for who reads them.

import { Entity } from '../bindings/llmhost/aws-cloud-control/cloud-control'
import { Direction, Peer, SecurityGroup, SecurityGroupRule } from '../bindings/llmhost/aws-ec2/ec2'
import { Bucket, Encryption } from '../bindings/llmhost/aws-s3/s3'
import { Description, Failure, OutputDoc, ValueType } from '../bindings/llmhost/plugin/types'
import { Result, Tuple2, err, ok, some } from '../bindings/runtime'
import { Json } from './json'

const schema = `{
  "type": "object",
  "additionalProperties": false,
  "required": ["name", "vpc_id"],
  "properties": {
    "name": {"type": "string", "pattern": "^[a-z0-9-]{3,40}$", "description": "Name of the topic."},
    "vpc_id": {"type": "string", "description": "The network of the security group."},
    "source": {"type": "string", "default": "10.0.0.0/8", "description": "Who may read, an IPv4 range."},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 443, "description": "The port."},
    "versioning": {"type": "boolean", "default": false, "description": "Whether changed alerts are kept."}
  }
}`

function text(name: string, description: string): OutputDoc {
  return { name, description, valueType: some(ValueType.Text) }
}

export function describe(): Description {
  return {
    summary: 'A topic for alerts, a bucket that keeps them, and a security group for who reads them.',
    configSchema: schema,
    outputs: [
      { name: 'topic_arn', description: 'ARN of the topic', valueType: some(ValueType.Text), sensitive: true },
      text('bucket_arn', 'ARN of the bucket'),
      text('security_group_id', 'ID of the security group'),
      { name: 'port', description: 'The port', valueType: some(ValueType.Number) },
    ],
    needs: ['cloud-control:AWS::SNS::Topic'],
  }
}

export function run(config: string): Result<string, Failure> {
  const options = Json.parse(config)
  const name = options.get('name').asText()
  const port = <u16>options.get('port').asInteger()

  const topic = Entity.declare(
    'alerts',
    {
      typeName: 'AWS::SNS::Topic',
      properties: Json.object().set('TopicName', Json.text(name)).toString(),
      createOnly: ['TopicName'],
      waitMinutes: 5,
      unchecked: false,
    },
    {},
  )
  if (!topic.isOk) return err<string, Failure>(topic.error)
  const bucket = Bucket.declare(
    'archive',
    {
      bucket: `${name}-archive`,
      blockPublicAccess: true,
      encryption: Encryption.s3Managed(),
      versioning: options.get('versioning').asBool(),
      tags: [new Tuple2('holds', 'alerts')],
    },
    {},
  )
  if (!bucket.isOk) return err<string, Failure>(bucket.error)
  const group = SecurityGroup.declare(
    'readers',
    { vpcId: options.get('vpc_id').asText(), groupName: name, description: 'Reads alerts' },
    {},
  )
  if (!group.isOk) return err<string, Failure>(group.error)
  const groupId = group.value.id()
  if (!groupId.isOk) return err<string, Failure>(groupId.error)
  const rule = SecurityGroupRule.declare(
    'readers',
    {
      securityGroupId: groupId.value,
      direction: Direction.Ingress,
      ipProtocol: 'tcp',
      fromPort: port,
      toPort: port,
      peer: Peer.cidr(options.get('source').asText()),
      description: 'Readers',
    },
    {},
  )
  if (!rule.isOk) return err<string, Failure>(rule.error)
  console.info(`alerts of ${name} are kept`)

  const topicArn = topic.value.identifier()
  if (!topicArn.isOk) return err<string, Failure>(topicArn.error)
  const bucketArn = bucket.value.arn()
  if (!bucketArn.isOk) return err<string, Failure>(bucketArn.error)
  const outputs = Json.object()
    .set('topic_arn', Json.text(topicArn.value))
    .set('bucket_arn', Json.text(bucketArn.value))
    .set('security_group_id', Json.text(groupId.value))
    .set('port', Json.integer(port))
  return ok<string, Failure>(outputs.toString())
}
