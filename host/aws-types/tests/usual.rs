//! Resources as people write them: nothing is wrong with them.

use llmhost_aws_types::find;
use serde_json::json;

#[test]
fn usual_resources_have_no_problems() {
    let role = "arn:aws:iam::111122223333:role/app";
    let policy =
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "s3:*", "Resource": "*" }] });
    let cases = [
        (
            "AWS::S3::Bucket",
            json!({
                "BucketName": "team-search-index",
                "BucketEncryption": { "ServerSideEncryptionConfiguration": [{
                    "ServerSideEncryptionByDefault": { "SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alias/team" }, "BucketKeyEnabled": true }] },
                "PublicAccessBlockConfiguration": { "BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true },
                "VersioningConfiguration": { "Status": "Enabled" },
                "LifecycleConfiguration": { "Rules": [{ "Id": "old", "Status": "Enabled", "ExpirationInDays": 30,
                    "Transitions": [{ "StorageClass": "STANDARD_IA", "TransitionInDays": 10 }] }] },
                "NotificationConfiguration": { "QueueConfigurations": [{ "Event": "s3:ObjectCreated:*", "Queue": "arn:aws:sqs:eu-central-1:111122223333:q" }] },
                "Tags": [{ "Key": "team", "Value": "search" }],
            }),
        ),
        (
            "AWS::SQS::Queue",
            json!({ "QueueName": "jobs.fifo", "FifoQueue": true, "VisibilityTimeout": 120,
            "RedrivePolicy": { "deadLetterTargetArn": "arn:aws:sqs:eu-central-1:111122223333:dead.fifo", "maxReceiveCount": 3 } }),
        ),
        (
            "AWS::SNS::Topic",
            json!({ "TopicName": "alarms", "Subscription": [{ "Endpoint": "a@example.com", "Protocol": "email" }] }),
        ),
        (
            "AWS::IAM::Role",
            json!({ "RoleName": "app", "AssumeRolePolicyDocument": policy, "ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
            "Policies": [{ "PolicyName": "inline", "PolicyDocument": policy }], "MaxSessionDuration": 3600, "Path": "/team/" }),
        ),
        ("AWS::IAM::ManagedPolicy", json!({ "PolicyDocument": policy, "Roles": ["app"] })),
        (
            "AWS::Lambda::Function",
            json!({ "FunctionName": "resize", "Role": role, "Runtime": "python3.12", "Handler": "main.handler",
            "Code": { "S3Bucket": "team-code", "S3Key": "resize.zip" }, "MemorySize": 512, "Timeout": 30, "Architectures": ["arm64"],
            "Environment": { "Variables": { "LEVEL": "debug" } }, "VpcConfig": { "SubnetIds": ["subnet-1234567890abcdef0"], "SecurityGroupIds": ["sg-1234567890abcdef0"] } }),
        ),
        (
            "AWS::DynamoDB::Table",
            json!({ "TableName": "jobs", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }, { "AttributeName": "at", "AttributeType": "N" }],
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "GlobalSecondaryIndexes": [{ "IndexName": "by-time", "KeySchema": [{ "AttributeName": "at", "KeyType": "HASH" }], "Projection": { "ProjectionType": "ALL" } }],
            "SSESpecification": { "SSEEnabled": true, "SSEType": "KMS" }, "TimeToLiveSpecification": { "AttributeName": "until", "Enabled": true } }),
        ),
        (
            "AWS::EC2::SecurityGroup",
            json!({ "GroupDescription": "web", "VpcId": "vpc-1234567890abcdef0",
            "SecurityGroupIngress": [{ "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0" }],
            "SecurityGroupEgress": [{ "IpProtocol": "-1", "CidrIp": "0.0.0.0/0" }] }),
        ),
        (
            "AWS::EC2::Instance",
            json!({ "ImageId": "ami-0123456789abcdef0", "InstanceType": "t3.micro", "SubnetId": "subnet-1234567890abcdef0",
            "BlockDeviceMappings": [{ "DeviceName": "/dev/xvda", "Ebs": { "VolumeSize": 20, "VolumeType": "gp3", "Encrypted": true } }],
            "UserData": "IyEvYmluL3No", "IamInstanceProfile": "web", "Tags": [{ "Key": "Name", "Value": "web" }] }),
        ),
        (
            "AWS::EC2::Subnet",
            json!({ "VpcId": "vpc-1234567890abcdef0", "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "eu-central-1a", "MapPublicIpOnLaunch": true }),
        ),
        (
            "AWS::EC2::Route",
            json!({ "RouteTableId": "rtb-1234567890abcdef0", "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1234567890abcdef0" }),
        ),
        (
            "AWS::RDS::DBInstance",
            json!({ "DBInstanceIdentifier": "main", "Engine": "postgres", "EngineVersion": "16.4", "DBInstanceClass": "db.t4g.medium",
            "AllocatedStorage": "20", "StorageType": "gp3", "MasterUsername": "admin1", "ManageMasterUserPassword": true, "MultiAZ": true,
            "VPCSecurityGroups": ["sg-1234567890abcdef0"], "BackupRetentionPeriod": 7 }),
        ),
        (
            "AWS::ECS::TaskDefinition",
            json!({ "Family": "web", "Cpu": "256", "Memory": "512", "NetworkMode": "awsvpc", "RequiresCompatibilities": ["FARGATE"],
            "ExecutionRoleArn": role, "ContainerDefinitions": [{ "Name": "web", "Image": "nginx:1", "Essential": true,
                "PortMappings": [{ "ContainerPort": 80 }], "Environment": [{ "Name": "A", "Value": "b" }],
                "LogConfiguration": { "LogDriver": "awslogs", "Options": { "awslogs-group": "web" } } }] }),
        ),
        (
            "AWS::ECS::Service",
            json!({ "Cluster": "main", "TaskDefinition": "web:1", "DesiredCount": 2, "LaunchType": "FARGATE",
            "NetworkConfiguration": { "AwsvpcConfiguration": { "Subnets": ["subnet-1234567890abcdef0"], "AssignPublicIp": "ENABLED" } } }),
        ),
        (
            "AWS::ElasticLoadBalancingV2::LoadBalancer",
            json!({ "Name": "web", "Type": "application", "Scheme": "internet-facing", "Subnets": ["subnet-1234567890abcdef0", "subnet-1234567890abcdef1"] }),
        ),
        (
            "AWS::ElasticLoadBalancingV2::TargetGroup",
            json!({ "Port": 80, "Protocol": "HTTP", "VpcId": "vpc-1234567890abcdef0", "TargetType": "ip", "HealthCheckPath": "/health" }),
        ),
        (
            "AWS::CloudWatch::Alarm",
            json!({ "AlarmName": "errors", "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
            "Threshold": 1, "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Dimensions": [{ "Name": "FunctionName", "Value": "resize" }] }),
        ),
        (
            "AWS::Events::Rule",
            json!({ "ScheduleExpression": "rate(5 minutes)", "State": "ENABLED", "Targets": [{ "Id": "a", "Arn": "arn:aws:lambda:eu-central-1:111122223333:function:resize" }] }),
        ),
        ("AWS::Logs::LogGroup", json!({ "LogGroupName": "/aws/lambda/resize", "RetentionInDays": 14 })),
        ("AWS::KMS::Key", json!({ "KeyPolicy": policy, "EnableKeyRotation": true })),
        (
            "AWS::KMS::Alias",
            json!({ "AliasName": "alias/team", "TargetKeyId": "1234abcd-12ab-34cd-56ef-1234567890ab" }),
        ),
        (
            "AWS::SecretsManager::Secret",
            json!({ "Name": "db/password", "GenerateSecretString": { "PasswordLength": 32, "ExcludePunctuation": true } }),
        ),
        ("AWS::SSM::Parameter", json!({ "Name": "/app/level", "Type": "String", "Value": "debug" })),
        (
            "AWS::Route53::RecordSet",
            json!({ "HostedZoneId": "Z0123456789ABCDEFGHIJ", "Name": "www.example.com", "Type": "A", "TTL": "300", "ResourceRecords": ["192.0.2.1"] }),
        ),
        (
            "AWS::CloudFront::Distribution",
            json!({ "DistributionConfig": { "Enabled": true, "DefaultRootObject": "index.html",
            "Origins": [{ "Id": "bucket", "DomainName": "b.s3.amazonaws.com", "S3OriginConfig": { "OriginAccessIdentity": "" } }],
            "DefaultCacheBehavior": { "TargetOriginId": "bucket", "ViewerProtocolPolicy": "redirect-to-https", "CachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6" } } }),
        ),
        (
            "AWS::ApiGatewayV2::Api",
            json!({ "Name": "web", "ProtocolType": "HTTP", "CorsConfiguration": { "AllowOrigins": ["*"], "AllowMethods": ["GET"] }, "Tags": { "team": "web" } }),
        ),
        (
            "AWS::StepFunctions::StateMachine",
            json!({ "RoleArn": role, "StateMachineType": "EXPRESS", "DefinitionString": "{\"StartAt\": \"A\"}" }),
        ),
        (
            "AWS::AutoScaling::AutoScalingGroup",
            json!({ "MinSize": "1", "MaxSize": "3", "VPCZoneIdentifier": ["subnet-1234567890abcdef0"],
            "LaunchTemplate": { "LaunchTemplateId": "lt-1234567890abcdef0", "Version": "1" }, "Tags": [{ "Key": "Name", "Value": "web", "PropagateAtLaunch": true }] }),
        ),
        (
            "AWS::EKS::Cluster",
            json!({ "Name": "main", "RoleArn": role, "Version": "1.31", "ResourcesVpcConfig": { "SubnetIds": ["subnet-1234567890abcdef0", "subnet-1234567890abcdef1"] } }),
        ),
        (
            "AWS::Cognito::UserPool",
            json!({ "UserPoolName": "users", "AutoVerifiedAttributes": ["email"], "Policies": { "PasswordPolicy": { "MinimumLength": 12, "RequireNumbers": true } } }),
        ),
        (
            "AWS::ECR::Repository",
            json!({ "RepositoryName": "team/web", "ImageScanningConfiguration": { "ScanOnPush": true }, "ImageTagMutability": "IMMUTABLE" }),
        ),
        ("AWS::Kinesis::Stream", json!({ "Name": "clicks", "ShardCount": 1, "RetentionPeriodHours": 48 })),
        (
            "AWS::WAFv2::WebACL",
            json!({ "Scope": "REGIONAL", "DefaultAction": { "Allow": {} },
            "VisibilityConfig": { "CloudWatchMetricsEnabled": true, "MetricName": "web", "SampledRequestsEnabled": true },
            "Rules": [{ "Name": "rate", "Priority": 1, "Action": { "Block": {} }, "Statement": { "RateBasedStatement": { "Limit": 1000, "AggregateKeyType": "IP" } },
                "VisibilityConfig": { "CloudWatchMetricsEnabled": true, "MetricName": "rate", "SampledRequestsEnabled": true } }] }),
        ),
    ];
    let mut wrong = Vec::new();
    for (name, properties) in cases {
        let one = find(name).unwrap_or_else(|| panic!("{name} is in the table"));
        wrong.extend(one.check(&properties, &|_| false).into_iter().map(|problem| format!("{name}: {problem}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
