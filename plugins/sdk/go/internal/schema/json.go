package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Encode is a value as JSON. Unlike encoding/json it leaves `<` as it is: unknown tokens and handles of secrets have it.
func Encode(value any) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return strings.TrimSuffix(text.String(), "\n"), err
}

// Decode reads a value, and names the field that is wrong.
func Decode(decoder *json.Decoder, to any) error {
	err := decoder.Decode(to)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return Mismatch{wrong}
	}
	return err
}

// Mismatch is a value that its field cannot hold.
type Mismatch struct {
	Of *json.UnmarshalTypeError
}

func (m Mismatch) Error() string {
	return fmt.Sprintf("%s must be %s, and is a JSON %s", m.Of.Field, m.Of.Type, m.Of.Value)
}

// Spec is a value in a form that its own schema takes: what is optional and absent is left out, and a slice or a map without anything
// is an empty one.
func Spec(value any) any {
	if value == nil {
		return nil
	}
	return spec(reflect.ValueOf(value))
}

var marshaler = reflect.TypeFor[json.Marshaler]()

func spec(value reflect.Value) any {
	if value.Type().Implements(marshaler) {
		return value.Interface()
	}
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if value.IsNil() {
			return nil
		}
		return spec(value.Elem())
	case reflect.Slice:
		items := make([]any, value.Len())
		for i := range items {
			items[i] = spec(value.Index(i))
		}
		return items
	case reflect.Map:
		if value.Type().Key().Kind() != reflect.String {
			return value.Interface()
		}
		entries := make(map[string]any, value.Len())
		for key, entry := range value.Seq2() {
			entries[key.String()] = spec(entry)
		}
		return entries
	case reflect.Struct:
		fields := map[string]any{}
		for _, field := range Fields(value.Type()) {
			inner := value.FieldByIndex(field.Index)
			if inner.Kind() != reflect.Pointer || !inner.IsNil() {
				fields[field.JSON] = spec(inner)
			}
		}
		return fields
	}
	return value.Interface()
}

// Keep puts into what was seen of a type the fields that are never told, as they are known.
func Keep(kind reflect.Type, seen, known any) {
	switch kind.Kind() {
	case reflect.Pointer:
		Keep(kind.Elem(), seen, known)
	case reflect.Slice:
		seen, _ := seen.([]any)
		known, _ := known.([]any)
		for i := range seen {
			var one any
			if i < len(known) {
				one = known[i]
			}
			Keep(kind.Elem(), seen[i], one)
		}
	case reflect.Map:
		seen, _ := seen.(map[string]any)
		known, _ := known.(map[string]any)
		for key := range seen {
			Keep(kind.Elem(), seen[key], known[key])
		}
	case reflect.Struct:
		seen, isObject := seen.(map[string]any)
		if !isObject {
			return
		}
		known, _ := known.(map[string]any)
		for _, field := range Fields(kind) {
			told, isKnown := known[field.JSON]
			switch {
			case !field.Is(WriteOnly):
				Keep(field.Type, seen[field.JSON], told)
			case isKnown:
				seen[field.JSON] = told
			default:
				delete(seen, field.JSON)
			}
		}
	}
}
