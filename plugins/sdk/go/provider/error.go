package provider

import (
	"errors"

	"llmhost.dev/plugin/internal/kinds"
	wit "llmhost.dev/plugin/internal/wit/types"
)

// Class says what sort of error it is: errors.Is(err, provider.NotFound).
type Class uint8

// The classes of errors. Throttled, Service and Unreachable are tried again, up to five times.
const (
	// NotFound is what does not exist.
	NotFound = Class(kinds.ErrorClassNotFound)
	// Conflict is a name that is taken, or something that is in use.
	Conflict = Class(kinds.ErrorClassConflict)
	// Denied is what is not allowed.
	Denied = Class(kinds.ErrorClassDenied)
	// Quota is a limit of the account.
	Quota = Class(kinds.ErrorClassQuota)
	// Throttled is one call too many. Nothing was done.
	Throttled = Class(kinds.ErrorClassThrottled)
	// Invalid is a spec that is wrong in the eyes of the service. Nothing was done.
	Invalid = Class(kinds.ErrorClassInvalid)
	// Service is a failure of the service, which may have done what it was asked for.
	Service = Class(kinds.ErrorClassService)
	// Unreachable is a call without an answer. It may have worked.
	Unreachable = Class(kinds.ErrorClassUnreachable)
)

// Error is the class in words.
func (c Class) Error() string {
	words := [...]string{"not found", "in conflict", "denied", "a quota is reached", "throttled", "invalid", "the service failed", "unreachable"}
	if int(c) < len(words) {
		return words[c]
	}
	return "an error of no class"
}

// Error is an error with its class.
type Error struct {
	Class Class
	// Code is the service's own, where it has one.
	Code string
	// Message is one sentence.
	Message string
	// Advice says what to do about it, where that is more than the class tells.
	Advice string
}

func (e Error) Error() string { return e.Message }

// Unwrap is the class.
func (e Error) Unwrap() error { return e.Class }

// Fail is an error of a class. An error without one counts as Service: it leaves open whether the call did something.
func Fail(class Class, message string) error { return Error{Class: class, Message: message} }

func toHost(err error) kinds.Error {
	var known Error
	class := Service
	if !errors.As(err, &known) {
		errors.As(err, &class)
		known.Class = class
	}
	return kinds.Error{Class: uint8(known.Class), Code: optional(known.Code), Message: err.Error(), Advice: optional(known.Advice)}
}

func optional(text string) wit.Option[string] {
	if text == "" {
		return wit.None[string]()
	}
	return wit.Some(text)
}
