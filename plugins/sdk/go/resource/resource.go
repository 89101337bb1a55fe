// Package resource declares resources of the kinds that providers bring. In `uses` of llmhost-plugin.toml it is `resource`.
package resource

import (
	"encoding/json"
	"fmt"

	"llmhost.dev/plugin"
	"llmhost.dev/plugin/internal/resources"
	"llmhost.dev/plugin/internal/schema"
)

// Resource is a resource of a provider of the pipeline file. Granted by `allow = ["resource:dns.record"]`.
type Resource struct {
	of *resources.Any
}

// Declare declares a resource. The kind is the provider's name in the pipeline file and one of its kinds, `dns.record`; the user
// chooses that name, so the kind is best an option of the step. The spec is a struct with JSON tags, or a map; a nil pointer in a struct
// is left out. Texts in it may hold unknown tokens; a value of another type that is not known yet is in a field of the type any.
func Declare(kind, name string, spec any, options plugin.Options) (*Resource, error) {
	text, err := schema.Encode(schema.Spec(spec))
	if err != nil {
		return nil, plugin.Fail(plugin.Invalid, fmt.Sprintf("the spec of %s '%s' cannot be written as JSON: %v", kind, name, err))
	}
	declared, err := resources.AnyDeclare(kind, name, text, options)
	if err != nil {
		return nil, err
	}
	return &Resource{declared}, nil
}

// Output is an output of a resource: Output[string](record, "fqdn"). While planning one that is not known yet is a text with a token in
// it, whatever type it will have: read an output that is no text as any, and pass it on.
func Output[T any](of *Resource, name string) (T, error) {
	text, err := of.of.Output(name)
	if err != nil {
		var none T
		return none, err
	}
	return decoded[T](name, text, plugin.IsKnown)
}

func decoded[T any](name, text string, isKnown func(string) bool) (T, error) {
	var value T
	err := json.Unmarshal([]byte(text), &value)
	switch {
	case err == nil:
		return value, nil
	case isKnown(text):
		return value, plugin.Fail(plugin.Failed, fmt.Sprintf("the output '%s' is not what the plugin expects: %v", name, err))
	}
	return value, plugin.Fail(plugin.Failed, fmt.Sprintf("the output '%s' is not known while planning, and this plugin needs its value: read it as any", name))
}

// ID is the id.
func (r *Resource) ID() (string, error) { return Output[string](r, "id") }

// Address is where it stands, for plugin.Options.
func (r *Resource) Address() string { return r.of.Address() }
