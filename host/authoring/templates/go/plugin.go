// A bucket for logs, which are deleted after some days.
package main

import (
	"fmt"

	"llmhost.dev/plugin"
	"llmhost.dev/plugin/log"
	"llmhost.dev/plugin/s3"
)

// Config is what stands in the step's `with` table.
type Config struct {
	Bucket   string `json:"bucket" description:"Name of the bucket."`
	KeepDays uint32 `json:"keep_days" description:"Days until a log is deleted." default:"30" minimum:"1"`
}

func init() {
	plugin.Export(plugin.Step[Config]{
		Summary: "A bucket for logs, which are deleted after some days.",
		Outputs: []plugin.Output{plugin.Text("name", "Name of the bucket"), plugin.Text("arn", "ARN of the bucket")},
		Run:     run,
	})
}

func run(config Config) (plugin.Outputs, error) {
	// Says what should exist, and returns at once; reading an output waits until it does.
	bucket, err := s3.BucketDeclare("logs", s3.BucketSpec{
		Bucket:            config.Bucket,
		BlockPublicAccess: true,
		Encryption:        s3.MakeEncryptionS3Managed(),
		Lifecycle:         []s3.LifecycleRule{{Id: "expire", ExpireAfterDays: plugin.Some(config.KeepDays)}},
	}, plugin.Options{})
	if err != nil {
		return nil, err
	}
	log.Write(log.LevelInfo, fmt.Sprintf("logs stay %d days", config.KeepDays))
	name, err := bucket.BucketName()
	if err != nil {
		return nil, err
	}
	arn, err := bucket.Arn()
	return plugin.Outputs{"name": name, "arn": arn}, err
}

func main() {}
