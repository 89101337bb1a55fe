package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// schemaOf is the JSON Schema (draft 2020-12) of a type, from its fields' tags.
func schemaOf[Config any]() map[string]any {
	return schema(reflect.TypeFor[Config](), "the configuration")
}

func schema(kind reflect.Type, place string) map[string]any {
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
		return schema(kind.Elem(), place)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schema(kind.Elem(), place)}
	case reflect.Map:
		if kind.Key().Kind() == reflect.String {
			return map[string]any{"type": "object", "additionalProperties": schema(kind.Elem(), place)}
		}
	case reflect.Struct:
		return object(kind)
	}
	panic(fmt.Sprintf("%s: %s is no type of an option; take texts, numbers, bools, slices, maps by text, structs, or pointers to them", place, kind))
}

func object(kind reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for i := range kind.NumField() {
		field := kind.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || !field.IsExported() {
			continue
		}
		if name == "" {
			name = field.Name
		}
		place := kind.Name() + "." + field.Name
		property := schema(field.Type, place)
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
		if _, hasDefault := property["default"]; !hasDefault && field.Type.Kind() != reflect.Pointer {
			required = append(required, name)
		}
		properties[name] = property
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

// decode reads the configuration, in which the host has filled the defaults in.
func decode[Config any](text string, config *Config) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(config)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Value == "string" && strings.Contains(text, "<<") {
		return Fail(Invalid, wrong.Field+" is known when the plan is applied; only a text can wait for that")
	}
	if errors.As(err, &wrong) {
		return Fail(Invalid, fmt.Sprintf("%s must be %s, and is a JSON %s", wrong.Field, wrong.Type, wrong.Value))
	}
	if err != nil {
		return Fail(Invalid, "the configuration: "+err.Error())
	}
	return nil
}
