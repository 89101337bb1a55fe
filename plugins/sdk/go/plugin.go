// Package plugin is for writing an llmhost plugin in Go.
//
// A plugin declares resources and reads their outputs; the host makes them real. It runs twice, once to plan and once to apply,
// and must declare the same both times. What the host offers is in packages beside this one: s3, ec2, iam, eks, sts,
// cloudcontrol, request, kube, inference and log.
package plugin

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	export "llmhost.dev/plugin/internal/exports/export_wit_world"
	_ "llmhost.dev/plugin/internal/exports/step"
	"llmhost.dev/plugin/internal/schema"
	"llmhost.dev/plugin/internal/types"
	"llmhost.dev/plugin/internal/values"
	wit "llmhost.dev/plugin/internal/wit/types"
)

// Options is what a declaration may say beside its spec.
type Options = types.Options

// Option is a value that may be absent; its zero value is.
type Option[T any] = wit.Option[T]

// Some is an Option with a value.
func Some[T any](value T) Option[T] { return wit.Some(value) }

// Outputs are a step's outputs by name.
type Outputs map[string]any

// Output is an output of a step: its name, its type and what it is.
type Output struct {
	name, description string
	valueType         Option[types.ValueType]
	sensitive         bool
}

// Sensitive keeps the value out of everything that is shown: the terminal, --json, graphs, logs. Other steps get it.
func (output Output) Sensitive() Output {
	output.sensitive = true
	return output
}

// Text is an output that is a string.
func Text(name, description string) Output { return output(name, description, types.ValueTypeText) }

// Number is an output that is a number.
func Number(name, description string) Output { return output(name, description, types.ValueTypeNumber) }

// Boolean is an output that is true or false.
func Boolean(name, description string) Output {
	return output(name, description, types.ValueTypeBoolean)
}

// Array is an output that is a slice.
func Array(name, description string) Output { return output(name, description, types.ValueTypeArray) }

// Object is an output that is a map or a struct.
func Object(name, description string) Output { return output(name, description, types.ValueTypeObject) }

// Any is an output of any type.
func Any(name, description string) Output { return Output{name: name, description: description} }

func output(name, description string, valueType types.ValueType) Output {
	return Output{name: name, description: description, valueType: Some(valueType)}
}

// Step is a plugin. Config is the step's `with` table: a struct whose fields have tags,
//
//	KeepDays uint32 `json:"keep_days" description:"Days until a log is deleted." default:"30" minimum:"1"`
//
// A field with a default, and a pointer, may be absent. Further tags are maximum, pattern and enum (values between commas).
type Step[Config any] struct {
	// Summary says in one sentence what the step makes.
	Summary string
	// Outputs has every output.
	Outputs []Output
	// Needs has the grants that calls of cloudcontrol and request need, such as `cloud-control:AWS::SNS::Topic`. Whoever uses the
	// plugin is told; for the other interfaces the host sees what is needed.
	Needs []string
	// Run declares the step's resources and returns its outputs.
	Run func(config Config) (Outputs, error)
}

// Export makes a step the component's plugin. Call it from init.
func Export[Config any](step Step[Config]) {
	export.Describe = func() types.Description {
		outputs := make([]types.OutputDoc, len(step.Outputs))
		for i, output := range step.Outputs {
			outputs[i] = types.OutputDoc{Name: output.name, Description: output.description, ValueType: output.valueType, Sensitive: output.sensitive}
		}
		return types.Description{Summary: step.Summary, ConfigSchema: JSON(schema.Of(reflect.TypeFor[Config](), "the configuration")), Outputs: outputs, Needs: step.Needs}
	}
	export.Run = func(text string) wit.Result[string, types.Failure] {
		outputs, err := run(step, text)
		if err != nil {
			return wit.Err[string](asFailure(err))
		}
		return wit.Ok[string, types.Failure](outputs)
	}
}

func run[Config any](step Step[Config], text string) (string, error) {
	var config Config
	if err := decode(text, &config); err != nil {
		return "", err
	}
	outputs, err := step.Run(config)
	if err != nil {
		return "", err
	}
	if outputs == nil {
		outputs = Outputs{}
	}
	return schema.Encode(outputs)
}

// decode reads the configuration, in which the host has filled the defaults in.
func decode[Config any](text string, config *Config) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	err := schema.Decode(decoder, config)
	var wrong schema.Mismatch
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &wrong):
		return Fail(Invalid, "the configuration: "+err.Error())
	case wrong.Of.Value == "string" && strings.Contains(text, "<<"):
		return Fail(Invalid, wrong.Of.Field+" is known when the plan is applied; only a text can wait for that")
	}
	return Fail(Invalid, wrong.Error())
}

// JSON is a value as JSON, for a manifest, properties or parameters. Unlike encoding/json it leaves `<` as it is: unknown tokens have it.
func JSON(value any) string {
	text, err := schema.Encode(value)
	if err != nil {
		panic(err)
	}
	return text
}

// Failure is why a call gave no value, and what a plugin reports as its own error.
type Failure = types.Failure

// FailureCode says what sort of failure it is.
type FailureCode = types.FailureCode

// The codes of failures.
const (
	Invalid     = types.FailureCodeInvalid
	Refused     = types.FailureCodeRefused
	Failed      = types.FailureCodeFailed
	Denied      = types.FailureCodeDenied
	Exists      = types.FailureCodeExists
	NotFound    = types.FailureCodeNotFound
	Quota       = types.FailureCodeQuota
	Capacity    = types.FailureCodeCapacity
	Throttled   = types.FailureCodeThrottled
	Unavailable = types.FailureCodeUnavailable
	Interrupted = types.FailureCodeInterrupted
)

// Fail is a failure for Run to return. Any other error is one with the code Invalid.
func Fail(code FailureCode, message string) error { return Failure{Code: code, Message: message} }

// FailureOf is the failure in an error; false where it is something else.
func FailureOf(err error) (Failure, bool) {
	var failure Failure
	is := errors.As(err, &failure)
	return failure, is
}

func asFailure(err error) Failure {
	if failure, is := FailureOf(err); is {
		return Failure{Code: failure.Code, Message: err.Error()}
	}
	return Failure{Code: Invalid, Message: err.Error()}
}

// IsKnown says whether a text is known. While planning, a value that only applying can tell is an opaque token.
func IsKnown(text string) bool { return values.IsKnown(text) }
