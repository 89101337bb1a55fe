package provider

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	export "llmhost.dev/plugin/internal/exports/export_kinds"
	_ "llmhost.dev/plugin/internal/exports/provider"
	"llmhost.dev/plugin/internal/kinds"
	"llmhost.dev/plugin/internal/schema"
	wit "llmhost.dev/plugin/internal/wit/types"
)

// AnyKind is a Kind of any spec and any outputs.
type AnyKind[Config any] interface {
	name() string
	describe() kinds.Kind
	create(config Config, spec, token string) (kinds.Created, error)
	find(config Config, spec, token string) (wit.Option[kinds.Created], error)
	read(config Config, id, known string) (wit.Option[kinds.Observed], error)
	update(config Config, id, old, new string) (string, error)
	delete(config Config, id, spec string) (wit.Unit, error)
}

// Export makes kinds the component's provider. Config is the table `with` of `[providers.NAME]`, the same type for all of them: a
// struct whose fields have the tags of a plugin's options. Call it from init.
func Export[Config any](summary string, all ...AnyKind[Config]) {
	export.Describe = func() kinds.Description {
		described := make([]kinds.Kind, len(all))
		for i, kind := range all {
			described[i] = kind.describe()
		}
		return kinds.Description{Summary: summary, ConfigSchema: schemaOf[Config]("the configuration"), Kinds: described}
	}
	export.Create = func(config, kind, spec, token string) wit.Result[kinds.Created, kinds.Error] {
		return answer(all, config, kind, func(of AnyKind[Config], config Config) (kinds.Created, error) { return of.create(config, spec, token) })
	}
	export.Find = func(config, kind, spec, token string) wit.Result[wit.Option[kinds.Created], kinds.Error] {
		return answer(all, config, kind, func(of AnyKind[Config], config Config) (wit.Option[kinds.Created], error) {
			return of.find(config, spec, token)
		})
	}
	export.Read = func(config, kind, id, spec string) wit.Result[wit.Option[kinds.Observed], kinds.Error] {
		return answer(all, config, kind, func(of AnyKind[Config], config Config) (wit.Option[kinds.Observed], error) {
			return of.read(config, id, spec)
		})
	}
	export.Update = func(config, kind, id, old, new string) wit.Result[string, kinds.Error] {
		return answer(all, config, kind, func(of AnyKind[Config], config Config) (string, error) { return of.update(config, id, old, new) })
	}
	export.Delete = func(config, kind, id, spec string) wit.Result[wit.Unit, kinds.Error] {
		return answer(all, config, kind, func(of AnyKind[Config], config Config) (wit.Unit, error) { return of.delete(config, id, spec) })
	}
}

// answer makes a call of the kind that the host names.
func answer[T, Config any](all []AnyKind[Config], config, name string, call func(AnyKind[Config], Config) (T, error)) wit.Result[T, kinds.Error] {
	for _, kind := range all {
		if kind.name() != name {
			continue
		}
		var options Config
		err := decode(config, "the options of the provider", &options)
		if err == nil {
			var value T
			if value, err = call(kind, options); err == nil {
				return wit.Ok[T, kinds.Error](value)
			}
		}
		return wit.Err[T](toHost(err))
	}
	return wit.Err[T](toHost(Fail(Invalid, fmt.Sprintf("this provider has no kind '%s'", name))))
}

func (k Kind[Config, Spec, Outputs]) name() string { return k.Name }

func (k Kind[Config, Spec, Outputs]) describe() kinds.Kind {
	if k.Create == nil || k.Find == nil || k.Read == nil || k.Update == nil || k.Delete == nil {
		panic("the kind " + k.Name + " lacks one of Create, Find, Read, Update and Delete")
	}
	outputs := []kinds.Output{}
	if of := reflect.TypeFor[Outputs](); of.Kind() != reflect.Struct {
		panic(fmt.Sprintf("the outputs of the kind %s are %s; take a struct", k.Name, of))
	} else {
		for _, field := range schema.Fields(of) {
			outputs = append(outputs, kinds.Output{
				Name: field.JSON, Description: field.Tag.Get("description"), Identity: field.Is("identity"), Sensitive: field.Is("sensitive"),
			})
		}
	}
	return kinds.Kind{
		Name: k.Name, Summary: k.Summary, SpecSchema: schemaOf[Spec]("the spec of " + k.Name), Immutable: k.Immutable, Unique: k.Unique, Outputs: outputs,
	}
}

func (k Kind[Config, Spec, Outputs]) create(config Config, spec, token string) (kinds.Created, error) {
	var declared Spec
	if err := decode(spec, "the spec", &declared); err != nil {
		return kinds.Created{}, err
	}
	made, err := k.Create(config, declared, token)
	if err != nil {
		return kinds.Created{}, err
	}
	return created(made)
}

func (k Kind[Config, Spec, Outputs]) find(config Config, spec, token string) (wit.Option[kinds.Created], error) {
	var declared Spec
	if err := decode(spec, "the spec", &declared); err != nil {
		return wit.None[kinds.Created](), err
	}
	found, err := k.Find(config, declared, token)
	if err != nil || found == nil {
		return wit.None[kinds.Created](), err
	}
	made, err := created(*found)
	return wit.Some(made), err
}

func (k Kind[Config, Spec, Outputs]) read(config Config, id, known string) (wit.Option[kinds.Observed], error) {
	none := wit.None[kinds.Observed]()
	last, err := recorded[Spec](known)
	if err != nil {
		return none, err
	}
	seen, err := k.Read(config, id, last)
	if err != nil || seen == nil {
		return none, err
	}
	var all any
	if err := json.Unmarshal([]byte(known), &all); err != nil {
		return none, err
	}
	there := schema.Spec(seen.Spec)
	schema.Keep(reflect.TypeFor[Spec](), there, all)
	spec, err := encode("the spec", there)
	if err != nil {
		return none, err
	}
	outputs, err := encode("the outputs", seen.Outputs)
	return wit.Some(kinds.Observed{Id: id, Spec: spec, Outputs: outputs}), err
}

func (k Kind[Config, Spec, Outputs]) update(config Config, id, old, new string) (string, error) {
	was, err := recorded[Spec](old)
	if err != nil {
		return "", err
	}
	var declared Spec
	if err := decode(new, "the spec", &declared); err != nil {
		return "", err
	}
	outputs, err := k.Update(config, id, was, declared)
	if err != nil {
		return "", err
	}
	return encode("the outputs", outputs)
}

func (k Kind[Config, Spec, Outputs]) delete(config Config, id, spec string) (wit.Unit, error) {
	last, err := recorded[Spec](spec)
	if err != nil {
		return wit.Unit{}, err
	}
	return wit.Unit{}, k.Delete(config, id, last)
}

func created[Outputs any](made Created[Outputs]) (kinds.Created, error) {
	outputs, err := encode("the outputs", made.Outputs)
	return kinds.Created{Id: made.ID, Outputs: outputs}, err
}

func schemaOf[T any](what string) string {
	text, err := schema.Encode(schema.Of(reflect.TypeFor[T](), what))
	if err != nil {
		panic(err)
	}
	return text
}

// encode is for what a call gives when it has worked, so an error leaves it open.
func encode(what string, value any) (string, error) {
	text, err := schema.Encode(value)
	if err != nil {
		return "", fmt.Errorf("%s cannot be written as JSON: %w", what, err)
	}
	return text, nil
}

func decode(text, what string, to any) error {
	if err := schema.Decode(json.NewDecoder(strings.NewReader(text)), to); err != nil {
		return Fail(Invalid, what+": "+err.Error())
	}
	return nil
}

// recorded reads a spec of the state, which an earlier version of the provider may have left.
func recorded[Spec any](text string) (Spec, error) {
	var spec Spec
	err := schema.Decode(json.NewDecoder(strings.NewReader(text)), &spec)
	if err == nil {
		return spec, nil
	}
	return spec, Error{
		Class:   Invalid,
		Message: "this version of the provider cannot read the spec that the state has: " + err.Error(),
		Advice:  "Use the version of the provider that made the resource, or a later one that can read its spec.",
	}
}
