// Package provider is for writing an llmhost provider in Go: a component that brings kinds of resources of its own.
//
// A provider makes single calls and remembers nothing between them. The host plans, compares, journals, replaces and deletes its
// resources like those that it brings itself. Package http sends requests, package aws makes signed calls of AWS, and package log
// writes messages.
package provider

import (
	"time"

	"llmhost.dev/plugin/internal/wait"
)

// Kind is one kind of resource. Spec is what is declared: a struct whose fields have the tags of a plugin's options,
//
//	Text string `json:"text" description:"What it says." default:""`
//
// A field with a default, and a pointer, may be absent. With the tag writeOnly:"true" it takes the handle of a secret
// (`<<secret:name>>`), as every text of the configuration does: put it where its value has to be in a request. A later version of
// the provider reads specs that an earlier one left in a state, so a new field is a pointer or has a default.
//
// Outputs is a struct, too, whose fields have the tags description, identity:"true" and sensitive:"true". An identity tells the
// resource from all others and never changes; what is sensitive is not shown. `id` is an output of every kind, and no field.
type Kind[Config, Spec, Outputs any] struct {
	// Name is `record` of `dns.record`: a small letter, then small letters, digits and hyphens.
	Name string
	// Summary says in one sentence what it is.
	Summary string
	// Immutable names the fields of the spec that cannot be changed in place: another value makes another resource.
	Immutable []string
	// Unique names the fields of the spec that together name the resource, so that only one can have them at a time.
	Unique []string

	// Create makes a resource. The token is unique to it, and the same when the call is made again: give it to the service, as an
	// idempotency key or a tag.
	Create func(config Config, spec Spec, token string) (Created[Outputs], error)
	// Find looks for what Create made with this token, where its answer was lost; nil where it made nothing. It must not give what
	// somebody else made.
	Find func(config Config, spec Spec, token string) (*Created[Outputs], error)
	// Read is the resource as the service has it; nil, or an error of the class NotFound, where it is gone. Fields that the service
	// does not tell are those of known. Fields that are writeOnly are taken from there in any case.
	Read func(config Config, id string, known Spec) (*Observed[Spec, Outputs], error)
	// Update changes a resource in place. It may be called again.
	Update func(config Config, id string, old, new Spec) (Outputs, error)
	// Delete deletes a resource, and returns when it is gone. NotFound is no error to the host.
	Delete func(config Config, id string, spec Spec) error
}

// Created is a resource that is there.
type Created[Outputs any] struct {
	// ID is the service's id, or what stands for one. It never changes.
	ID string
	// Outputs is what the resource tells beside it.
	Outputs Outputs
}

// Observed is a resource as the service has it.
type Observed[Spec, Outputs any] struct {
	// Spec is in the form in which it is declared. A difference is drift.
	Spec Spec
	// Outputs is what the resource tells beside its id.
	Outputs Outputs
}

// longestPause is what the host takes in one call.
const longestPause = time.Minute

// Pause waits. Where the run is stopped meanwhile, the call ends here, and the next run goes on.
func Pause(duration time.Duration) {
	for ; duration > 0; duration -= longestPause {
		wait.Pause(uint32(min(duration, longestPause).Milliseconds()))
	}
}
