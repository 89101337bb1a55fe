// A topic for alerts, a bucket that keeps them, and a security group for who reads them.
package main

import (
	"fmt"

	"llmhost.dev/plugin"
	"llmhost.dev/plugin/cloudcontrol"
	"llmhost.dev/plugin/ec2"
	"llmhost.dev/plugin/log"
	"llmhost.dev/plugin/s3"
)

type Config struct {
	Name       string `json:"name" description:"Name of the topic." pattern:"^[a-z0-9-]{3,40}$"`
	VpcID      string `json:"vpc_id" description:"The network of the security group."`
	Source     string `json:"source" description:"Who may read, an IPv4 range." default:"10.0.0.0/8"`
	Port       uint16 `json:"port" description:"The port." default:"443" minimum:"1"`
	Versioning bool   `json:"versioning" description:"Whether changed alerts are kept." default:"false"`
}

func init() {
	plugin.Export(plugin.Step[Config]{
		Summary: "A topic for alerts, a bucket that keeps them, and a security group for who reads them.",
		Outputs: []plugin.Output{
			plugin.Text("topic_arn", "ARN of the topic").Sensitive(),
			plugin.Text("bucket_arn", "ARN of the bucket"),
			plugin.Text("security_group_id", "ID of the security group"),
			plugin.Number("port", "The port"),
		},
		Needs: []string{"cloud-control:AWS::SNS::Topic"},
		Run:   run,
	})
}

func run(config Config) (plugin.Outputs, error) {
	options := plugin.Options{}
	topic, err := cloudcontrol.EntityDeclare("alerts", cloudcontrol.EntitySpec{
		TypeName:    "AWS::SNS::Topic",
		Properties:  plugin.JSON(map[string]string{"TopicName": config.Name}),
		CreateOnly:  []string{"TopicName"},
		WaitMinutes: 5,
	}, options)
	if err != nil {
		return nil, err
	}
	bucket, err := s3.BucketDeclare("archive", s3.BucketSpec{
		Bucket:            config.Name + "-archive",
		BlockPublicAccess: true,
		Encryption:        s3.MakeEncryptionS3Managed(),
		Versioning:        config.Versioning,
		Tags:              []plugin.Tag{{F0: "holds", F1: "alerts"}},
	}, options)
	if err != nil {
		return nil, err
	}
	group, err := ec2.SecurityGroupDeclare("readers", ec2.SecurityGroupSpec{
		VpcId: config.VpcID, GroupName: config.Name, Description: "Reads alerts",
	}, options)
	if err != nil {
		return nil, err
	}
	id, err := group.Id()
	if err != nil {
		return nil, err
	}
	_, err = ec2.SecurityGroupRuleDeclare("readers", ec2.SecurityGroupRuleSpec{
		SecurityGroupId: id,
		Direction:       ec2.DirectionIngress,
		IpProtocol:      "tcp",
		FromPort:        config.Port,
		ToPort:          config.Port,
		Peer:            ec2.MakePeerCidr(config.Source),
		Description:     "Readers",
	}, options)
	if err != nil {
		return nil, err
	}
	log.Write(log.LevelInfo, fmt.Sprintf("alerts of %s are kept", config.Name))
	arn, err := topic.Identifier()
	if err != nil {
		return nil, err
	}
	bucketArn, err := bucket.Arn()
	return plugin.Outputs{"topic_arn": arn, "bucket_arn": bucketArn, "security_group_id": id, "port": config.Port}, err
}

func main() {}
