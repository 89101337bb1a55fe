// Package schema says what is expected of a type in JSON Schema, and reads and writes its values as JSON.
package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Of is the JSON Schema (draft 2020-12) of a type, from its fields' tags. Panics where a field has a type or a tag that no schema
// can have; what names the whole for that.
func Of(kind reflect.Type, what string) map[string]any {
	switch kind.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Interface:
		return map[string]any{}
	case reflect.Pointer:
		return Of(kind.Elem(), what)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": Of(kind.Elem(), what)}
	case reflect.Map:
		if kind.Key().Kind() == reflect.String {
			return map[string]any{"type": "object", "additionalProperties": Of(kind.Elem(), what)}
		}
	case reflect.Struct:
		return object(kind)
	}
	panic(fmt.Sprintf("%s: %s is no type of an option; take texts, numbers, bools, slices, maps by text, structs, or pointers to them", what, kind))
}

func object(kind reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, field := range Fields(kind) {
		place := kind.Name() + "." + field.Name
		property := Of(field.Type, place)
		for _, tag := range []string{"description", "pattern"} {
			if text, given := field.Tag.Lookup(tag); given {
				property[tag] = text
			}
		}
		for _, tag := range []string{"minimum", "maximum", "default"} {
			if text, given := field.Tag.Lookup(tag); given {
				property[tag] = value(field.Type, text, place+", "+tag)
			}
		}
		if text, given := field.Tag.Lookup("enum"); given {
			choices := []any{}
			for _, choice := range strings.Split(text, ",") {
				choices = append(choices, value(field.Type, choice, place+", enum"))
			}
			property["enum"] = choices
		}
		if field.Is(WriteOnly) {
			property[WriteOnly] = true
		}
		if _, hasDefault := property["default"]; !hasDefault && field.Type.Kind() != reflect.Pointer {
			required = append(required, field.JSON)
		}
		properties[field.JSON] = property
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties, "required": required}
}

// value is what a tag says: a text as it stands, everything else as JSON.
func value(kind reflect.Type, text, place string) any {
	if kind.Kind() == reflect.String {
		return text
	}
	var parsed any
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		panic(fmt.Sprintf("%s: %s is not JSON: %v", place, strconv.Quote(text), err))
	}
	return parsed
}

// WriteOnly is the tag of a field that takes the handle of a secret.
const WriteOnly = "writeOnly"

// Field is a field of a struct.
type Field struct {
	reflect.StructField
	// JSON is what it is called in JSON.
	JSON string
}

// Is tells whether a tag says `true`. Panics where it says anything else.
func (f Field) Is(tag string) bool {
	text, given := f.Tag.Lookup(tag)
	if given && text != "true" {
		panic(fmt.Sprintf("%s: the tag %s is %s; write %s:\"true\", or leave it out", f.Name, tag, strconv.Quote(text), tag))
	}
	return given
}

// Fields are a struct's fields that are in its JSON. Those of an embedded struct are its own, as in encoding/json.
func Fields(kind reflect.Type) []Field {
	var fields []Field
	for i := range kind.NumField() {
		field := kind.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "" && field.Type.Kind() == reflect.Struct:
			for _, inner := range Fields(field.Type) {
				inner.Index = append([]int{i}, inner.Index...)
				fields = append(fields, inner)
			}
		case name == "-" || !field.IsExported():
		case name == "":
			fields = append(fields, Field{field, field.Name})
		default:
			fields = append(fields, Field{field, name})
		}
	}
	return fields
}
