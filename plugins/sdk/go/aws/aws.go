// Package aws makes calls of AWS services for a provider. The host signs them with the credentials of the run.
//
//	put := map[string]string{"Name": "/jobs/queue", "Value": "https://sqs…", "Type": "String"}
//	err := aws.JSON("ssm", "AmazonSSM.PutParameter", put).Send(nil)
//
// The pipeline file grants each by name: `allow = ["request:ssm:PutParameter Name=/jobs/*"]`. The handle of a secret may stand in any
// text of the parameters.
package aws

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	wit "llmhost.dev/plugin/internal/aws"
	"llmhost.dev/plugin/internal/schema"
	"llmhost.dev/plugin/internal/wit/types"
	"llmhost.dev/plugin/provider"
)

// Call is a call. Its methods change it, and give it back.
type Call struct {
	of wit.Message
	// Why it cannot be made.
	problem error
}

// JSON is a call of a service that speaks JSON, version 1.1: JSON("ssm", "AmazonSSM.GetParameter", parameters).
func JSON(service, target string, parameters any) *Call {
	return newCall(service, parameters, wit.MakeProtocolJson(wit.JsonTarget{Target: target, Version: "1.1"}))
}

// JSON10 is a call of a service that speaks JSON, version 1.0.
func JSON10(service, target string, parameters any) *Call {
	return newCall(service, parameters, wit.MakeProtocolJson(wit.JsonTarget{Target: target, Version: "1.0"}))
}

// Query is a call of a service that speaks in forms and answers in XML: Query("sns", "Publish", "2010-03-31", parameters).
func Query(service, action, version string, parameters any) *Call {
	return newCall(service, parameters, wit.MakeProtocolQuery(wit.QueryAction{Action: action, Version: version}))
}

// REST is a call of a service that tells actions by method and path: REST("lambda", "GET", "/2015-03-31/functions", struct{}{}).
func REST(service, method, path string, parameters any) *Call {
	return newCall(service, parameters, wit.MakeProtocolRest(wit.RestPath{Method: method, Path: path}))
}

func newCall(service string, parameters any, protocol wit.Protocol) *Call {
	text, err := schema.Encode(parameters)
	call := &Call{of: wit.Message{Service: service, Protocol: protocol, Parameters: text}}
	if err != nil {
		call.problem = provider.Fail(provider.Invalid, fmt.Sprintf("the parameters of the call of %s cannot be written as JSON: %v", service, err))
	}
	return call
}

// EndpointPrefix is the first part of the host's name, where it is not the service's.
func (c *Call) EndpointPrefix(prefix string) *Call {
	c.of.EndpointPrefix = types.Some(prefix)
	return c
}

// Text makes the call, and gives the text of the answer: JSON or XML.
func (c *Call) Text() (string, error) {
	if c.problem != nil {
		return "", c.problem
	}
	text, err := send(c.of)
	var failed wit.Error
	if errors.As(err, &failed) {
		// Its classes are those of a provider.
		return "", provider.Error{Class: provider.Class(failed.Class), Code: failed.Code.Or(""), Message: failed.Message, Advice: failed.Advice.Or("")}
	}
	return text, err
}

// Send makes the call, and reads the JSON of the answer; with nil it reads nothing.
func (c *Call) Send(answer any) error {
	text, err := c.Text()
	if err != nil || answer == nil {
		return err
	}
	if err := schema.Decode(json.NewDecoder(strings.NewReader(text)), answer); err != nil {
		// It may have done what it was asked for.
		return provider.Fail(provider.Service, fmt.Sprintf("the answer of %s is not what the provider expects: %v", c.of.Service, err))
	}
	return nil
}
