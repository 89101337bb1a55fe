package render

import "reflect"

var errorType = reflect.TypeFor[error]()

// noted is a function of the same type that asks `before` each call whether it may be made. Templates take functions of one
// result, or of one and an error; so it always has an error.
func noted(original any, before func() error) any {
	function := reflect.ValueOf(original)
	of := function.Type()
	in, out := make([]reflect.Type, of.NumIn()), []reflect.Type{of.Out(0), errorType}
	for i := range in {
		in[i] = of.In(i)
	}
	return reflect.MakeFunc(reflect.FuncOf(in, out, of.IsVariadic()), func(arguments []reflect.Value) []reflect.Value {
		if err := before(); err != nil {
			return []reflect.Value{reflect.Zero(of.Out(0)), reflect.ValueOf(&err).Elem()}
		}
		call := function.Call
		if of.IsVariadic() {
			call = function.CallSlice
		}
		results := call(arguments)
		if len(results) == 1 {
			results = append(results, reflect.Zero(errorType))
		}
		return results
	}).Interface()
}
