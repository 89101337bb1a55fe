// Package types has what the generated bindings need of the component model's types.
package types

// Cases of an Option.
const (
	OptionNone = 0
	OptionSome = 1
)

// Option is a value that may be absent; its zero value is.
type Option[T any] struct {
	tag   uint8
	value T
}

// Tag is the case.
func (o Option[T]) Tag() uint8 { return o.tag }

// Some is the value; panics where there is none.
func (o Option[T]) Some() T {
	if o.tag != OptionSome {
		panic("the option has no value")
	}
	return o.value
}

// Or is the value, or another where there is none.
func (o Option[T]) Or(other T) T {
	if o.tag != OptionSome {
		return other
	}
	return o.value
}

// None has no value.
func None[T any]() Option[T] { return Option[T]{} }

// Some has a value.
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }

// Cases of a Result.
const (
	ResultOk  = 0
	ResultErr = 1
)

// Result is what a call gave, or how it failed.
type Result[T any, U any] struct {
	tag   uint8
	value T
	err   U
}

// Tag is the case.
func (r Result[T, U]) Tag() uint8 { return r.tag }

// Ok is what the call gave.
func (r Result[T, U]) Ok() T { return r.value }

// Err is how it failed.
func (r Result[T, U]) Err() U { return r.err }

// Get is both as Go has them.
func (r Result[T, U]) Get() (T, error) {
	if r.tag == ResultOk {
		return r.value, nil
	}
	return r.value, any(r.err).(error)
}

// Done is the error of a call that gives nothing.
func (r Result[T, U]) Done() error {
	_, err := r.Get()
	return err
}

// Unit is the value of a call that gives nothing.
type Unit struct{}

// Ok is the result of a call that succeeded.
func Ok[T any, U any](value T) Result[T, U] { return Result[T, U]{tag: ResultOk, value: value} }

// Err is the result of a call that failed.
func Err[T any, U any](err U) Result[T, U] { return Result[T, U]{tag: ResultErr, err: err} }

// Tuple2 is two values.
type Tuple2[T0 any, T1 any] struct {
	F0 T0
	F1 T1
}
