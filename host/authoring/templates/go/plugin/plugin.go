// Package plugin declares a bucket for logs, which are deleted after some days.
package plugin

import (
	"encoding/json"
	"fmt"

	"{{name}}/bindings/llmhost_aws_s3_s3"
	"{{name}}/bindings/llmhost_plugin_log"
	"{{name}}/bindings/llmhost_plugin_types"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

// Options is what stands in the step's `with` table; the schema below says the same.
type Options struct {
	Bucket   string `json:"bucket"`
	KeepDays uint32 `json:"keep_days"`
}

// Outputs is what the step gives to others.
type Outputs struct {
	Name string `json:"name"`
	Arn  string `json:"arn"`
}

// JSON Schema of the step's `with` table. llmhost checks it and fills the defaults in.
const schema = `{
  "type": "object",
  "additionalProperties": false,
  "required": ["bucket"],
  "properties": {
    "bucket": {"type": "string", "description": "Name of the bucket."},
    "keep_days": {"type": "integer", "minimum": 1, "default": 30, "description": "Days until a log is deleted."}
  }
}`

// Describe says what the plugin is.
func Describe() llmhost_plugin_types.Description {
	text := witTypes.Some(llmhost_plugin_types.ValueTypeText)
	return llmhost_plugin_types.Description{
		Summary:      "A bucket for logs, which are deleted after some days.",
		ConfigSchema: schema,
		Outputs: []llmhost_plugin_types.OutputDoc{
			{Name: "name", Description: "Name of the bucket", ValueType: text},
			{Name: "arn", Description: "ARN of the bucket", ValueType: text},
		},
	}
}

// Run declares the step's resources.
func Run(config string) witTypes.Result[string, llmhost_plugin_types.Failure] {
	var options Options
	if err := json.Unmarshal([]byte(config), &options); err != nil {
		return failed(llmhost_plugin_types.Failure{Code: llmhost_plugin_types.FailureCodeInvalid, Message: err.Error()})
	}
	// Says what should exist, and returns at once; reading an output waits until it does.
	declared := llmhost_aws_s3_s3.BucketDeclare("logs", llmhost_aws_s3_s3.BucketSpec{
		Bucket:            options.Bucket,
		BlockPublicAccess: true,
		Encryption:        llmhost_aws_s3_s3.MakeEncryptionS3Managed(),
		Lifecycle: []llmhost_aws_s3_s3.LifecycleRule{{
			Id:                        "expire",
			ExpireAfterDays:           witTypes.Some(options.KeepDays),
			ExpireNoncurrentAfterDays: witTypes.None[uint32](),
			AbortMultipartAfterDays:   witTypes.None[uint32](),
		}},
	}, llmhost_plugin_types.Options{})
	if declared.IsErr() {
		return failed(declared.Err())
	}
	bucket := declared.Ok()
	name := bucket.BucketName()
	if name.IsErr() {
		return failed(name.Err())
	}
	arn := bucket.Arn()
	if arn.IsErr() {
		return failed(arn.Err())
	}
	llmhost_plugin_log.Write(llmhost_plugin_log.LevelInfo, fmt.Sprintf("logs stay %d days", options.KeepDays))
	outputs, err := json.Marshal(Outputs{Name: name.Ok(), Arn: arn.Ok()})
	if err != nil {
		panic(err)
	}
	return witTypes.Ok[string, llmhost_plugin_types.Failure](string(outputs))
}

// A failure of the host is returned as it is.
func failed(failure llmhost_plugin_types.Failure) witTypes.Result[string, llmhost_plugin_types.Failure] {
	return witTypes.Err[string](failure)
}
