// A bucket for logs, which go away by themselves.
package main

import (
	"fmt"

	"llmhost.dev/plugin"
	"llmhost.dev/plugin/log"
	"llmhost.dev/plugin/s3"
)

type Config struct {
	Bucket   string `json:"bucket" description:"Name of the bucket."`
	KeepDays uint32 `json:"keep_days" description:"Days until a log is deleted." default:"30" minimum:"1"`
}

func init() {
	plugin.Export(plugin.Step[Config]{
		Summary: "A bucket for logs, which go away by themselves.",
		Outputs: []plugin.Output{plugin.Text("bucket", "Name of the bucket"), plugin.Text("arn", "ARN of the bucket")},
		Run:     run,
	})
}

func run(config Config) (plugin.Outputs, error) {
	spec := s3.BucketSpec{
		Bucket:            config.Bucket,
		BlockPublicAccess: true,
		Encryption:        s3.MakeEncryptionS3Managed(),
		Lifecycle:         []s3.LifecycleRule{{Id: "expire", ExpireAfterDays: plugin.Some(config.KeepDays)}},
		ForceDestroy:      true,
		Tags:              plugin.Tags(map[string]string{"made-with": "go"}),
	}
	bucket, err := s3.BucketDeclare("logs", spec, plugin.Options{})
	if err != nil {
		return nil, err
	}
	log.Write(log.LevelInfo, fmt.Sprintf("logs go to %s and stay %d days", config.Bucket, config.KeepDays))
	name, err := bucket.BucketName()
	if err != nil {
		return nil, err
	}
	arn, err := bucket.Arn()
	if err != nil {
		return nil, err
	}
	return plugin.Outputs{"bucket": name, "arn": arn}, nil
}

func main() {}
