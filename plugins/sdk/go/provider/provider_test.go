package provider

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	export "llmhost.dev/plugin/internal/exports/export_kinds"
	"llmhost.dev/plugin/internal/kinds"
	wit "llmhost.dev/plugin/internal/wit/types"
)

type config struct {
	URL string `json:"url" description:"Address."`
}

type note struct {
	Title string  `json:"title" description:"Its title." pattern:"^[a-z]+$"`
	Key   *string `json:"key" writeOnly:"true"`
	Size  uint8   `json:"size" default:"1"`
}

type told struct {
	Address string `json:"address" description:"Where it is." identity:"true"`
	Token   string `json:"token" sensitive:"true"`
}

type folder struct {
	Path string `json:"path"`
}

func notes() Kind[config, note, told] {
	return Kind[config, note, told]{
		Name: "note", Summary: "A note.", Immutable: []string{"title"}, Unique: []string{"title"},
		Create: func(config config, spec note, token string) (Created[told], error) {
			if spec.Title == "taken" {
				return Created[told]{}, fmt.Errorf("the note: %w", Error{Class: Conflict, Code: "HTTP 409", Message: "it is there", Advice: "Choose another."})
			}
			return Created[told]{ID: config.URL + "/" + spec.Title, Outputs: told{"<at>", token}}, nil
		},
		Find: func(_ config, spec note, token string) (*Created[told], error) {
			if spec.Title == "lost" {
				return nil, nil
			}
			return &Created[told]{ID: "found", Outputs: told{"a", token}}, nil
		},
		Read: func(_ config, id string, known note) (*Observed[note, told], error) {
			switch id {
			case "gone":
				return nil, nil
			case "missing":
				return &Observed[note, told]{}, Fail(NotFound, "no such note")
			}
			secret := "told by the service"
			return &Observed[note, told]{Spec: note{Title: known.Title + "s", Key: &secret, Size: known.Size}}, nil
		},
		Update: func(_ config, id string, old, new note) (told, error) {
			return told{Address: id + old.Title + new.Title}, nil
		},
		Delete: func(_ config, id string, _ note) error { return errors.New("no " + id) },
	}
}

func folders() Kind[config, folder, struct{}] {
	return Kind[config, folder, struct{}]{
		Name: "folder", Summary: "A folder.",
		Create: func(_ config, spec folder, _ string) (Created[struct{}], error) {
			return Created[struct{}]{ID: spec.Path}, nil
		},
		Find:   func(config, folder, string) (*Created[struct{}], error) { return nil, nil },
		Read:   func(config, string, folder) (*Observed[folder, struct{}], error) { return nil, NotFound },
		Update: func(config, string, folder, folder) (struct{}, error) { return struct{}{}, nil },
		Delete: func(config, string, folder) error { return nil },
	}
}

func TestAProviderSaysWhatItIs(t *testing.T) {
	Export("Notes.", notes(), folders())
	said := export.Describe()
	if said.Summary != "Notes." || len(said.Kinds) != 2 || said.Kinds[1].Name != "folder" || len(said.Kinds[1].Outputs) != 0 {
		t.Error(said)
	}
	if said.ConfigSchema != `{"additionalProperties":false,"properties":{"url":{"description":"Address.","type":"string"}},"required":["url"],"type":"object"}` {
		t.Error(said.ConfigSchema)
	}
	kind := said.Kinds[0]
	outputs := fmt.Sprint([]kinds.Output{{Name: "address", Description: "Where it is.", Identity: true}, {Name: "token", Sensitive: true}})
	if kind.Summary != "A note." || kind.Immutable[0] != "title" || kind.Unique[0] != "title" || fmt.Sprint(kind.Outputs) != outputs {
		t.Error(kind)
	}
	if !strings.Contains(kind.SpecSchema, `"key":{"type":"string","writeOnly":true}`) {
		t.Error(kind.SpecSchema)
	}
}

const options = `{"url": "u"}`

func TestCallsAreTyped(t *testing.T) {
	Export("Notes.", notes(), folders())
	if made := export.Create(options, "note", `{"title": "a"}`, "t"); made.Ok() != (kinds.Created{Id: "u/a", Outputs: `{"address":"<at>","token":"t"}`}) {
		t.Error(made)
	}
	if made := export.Create(options, "folder", `{"path": "p"}`, "t"); made.Ok() != (kinds.Created{Id: "p", Outputs: "{}"}) {
		t.Error(made)
	}
	if found := export.Find(options, "note", `{"title": "a"}`, "t").Ok(); found.Some().Id != "found" {
		t.Error(found)
	}
	if found := export.Find(options, "note", `{"title": "lost"}`, "t"); found.Tag() != wit.ResultOk || found.Ok().Tag() != wit.OptionNone {
		t.Error(found)
	}
	if gone := export.Read(options, "note", "gone", `{"title": "a"}`); gone.Tag() != wit.ResultOk || gone.Ok().Tag() != wit.OptionNone {
		t.Error(gone)
	}
	if outputs := export.Update(options, "note", "1", `{"title": "a"}`, `{"title": "b"}`).Ok(); outputs != `{"address":"1ab","token":""}` {
		t.Error(outputs)
	}
	if deleted := export.Delete(options, "folder", "p", `{"path": "p"}`); deleted.Tag() != wit.ResultOk {
		t.Error(deleted)
	}
}

func TestWhatIsReadHasTheHandlesOfSecretsThatAreKnown(t *testing.T) {
	Export("Notes.", notes())
	for known, spec := range map[string]string{
		`{"title": "a", "key": "<<secret:k>>", "size": 2}`: `{"key":"<<secret:k>>","size":2,"title":"as"}`,
		`{"title": "a"}`: `{"size":0,"title":"as"}`,
		`{"title": "a", "of an earlier version": true}`: `{"size":0,"title":"as"}`,
	} {
		if seen := export.Read(options, "note", "1", known).Ok().Some(); seen.Id != "1" || seen.Spec != spec {
			t.Error(known, seen)
		}
	}
}

func TestErrorsHaveTheirClass(t *testing.T) {
	Export("Notes.", notes(), folders())
	conflict := export.Create(options, "note", `{"title": "taken"}`, "t").Err()
	if conflict.Class != kinds.ErrorClassConflict || conflict.Message != "the note: it is there" || conflict.Code.Some() != "HTTP 409" || conflict.Advice.Some() != "Choose another." {
		t.Error(conflict)
	}
	for _, one := range []struct {
		failed  kinds.Error
		class   uint8
		message string
	}{
		{export.Read(options, "note", "missing", `{"title": "a"}`).Err(), kinds.ErrorClassNotFound, "no such note"},
		{export.Read(options, "folder", "p", `{"path": "p"}`).Err(), kinds.ErrorClassNotFound, "not found"},
		{export.Delete(options, "note", "1", `{"title": "a"}`).Err(), kinds.ErrorClassService, "no 1"},
		{export.Delete(options, "page", "1", `{}`).Err(), kinds.ErrorClassInvalid, "this provider has no kind 'page'"},
		{export.Create(`{"url": 3}`, "note", `{}`, "t").Err(), kinds.ErrorClassInvalid, "the options of the provider: url must be string, and is a JSON number"},
		{export.Create(options, "note", `{"size": 256}`, "t").Err(), kinds.ErrorClassInvalid, "the spec: size must be uint8, and is a JSON number 256"},
		{export.Read(options, "note", "1", `{"size": "a"}`).Err(), kinds.ErrorClassInvalid, "this version of the provider cannot read the spec that the state has: size must be uint8, and is a JSON string"},
	} {
		if one.failed.Class != one.class || one.failed.Message != one.message {
			t.Errorf("%v is not %d %s", one.failed, one.class, one.message)
		}
	}
	var known Error
	err := fmt.Errorf("a: %w", Fail(Quota, "b"))
	if !errors.Is(err, Quota) || errors.Is(err, Denied) || !errors.As(err, &known) || known.Class != Quota {
		t.Error(err)
	}
}

func TestAKindThatLacksAFunctionIsTold(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); said != "the kind note lacks one of Create, Find, Read, Update and Delete" {
			t.Error(said)
		}
	}()
	kind := notes()
	kind.Find = nil
	kind.describe()
}
