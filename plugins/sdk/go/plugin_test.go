//go:build !wasm

package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	export "llmhost.dev/plugin/internal/exports/export_wit_world"
	"llmhost.dev/plugin/internal/schema"
)

type rule struct {
	Days uint32 `json:"days" description:"Days." default:"30" minimum:"1"`
	Sort string `json:"sort" enum:"keep,drop" default:"keep"`
}

type config struct {
	Bucket string            `json:"bucket" description:"Its name." pattern:"^[a-z]+$"`
	Rules  []rule            `json:"rules" default:"[]"`
	Tags   map[string]string `json:"tags" default:"{}"`
	Ratio  *float64          `json:"ratio"`
	Any    any               `json:"any" default:"null"`
}

func step() {
	Export(Step[config]{
		Summary: "A bucket.",
		Outputs: []Output{Text("arn", "Its ARN"), Any("rest", "The rest").Sensitive()},
		Needs:   []string{"cloud-control:AWS::SNS::Topic"},
		Run: func(config config) (Outputs, error) {
			switch config.Bucket {
			case "fail":
				return nil, fmt.Errorf("the bucket: %w", Fail(Exists, "it is there"))
			case "nothing":
				return nil, nil
			case "wrong":
				return nil, errors.New("no such bucket")
			}
			return Outputs{"arn": config.Bucket, "rest": config.Rules}, nil
		},
	})
}

func TestNamesAreThoseOfEveryLanguage(t *testing.T) {
	text, err := os.ReadFile(os.Getenv("NAMES"))
	if err != nil {
		t.Fatal(err)
	}
	var table [][2]string
	if err := json.Unmarshal(text, &table); err != nil || len(table) == 0 {
		t.Fatal(err, len(table))
	}
	for _, pair := range table {
		if name := NameOf(pair[0]); name != pair[1] {
			t.Errorf("%q: %q is not %q", pair[0], name, pair[1])
		}
	}
}

func TestTheSameThingTwiceIsRefusedWithBothPlaces(t *testing.T) {
	names := NewNames("access entry")
	if name, err := names.Take("ops", "admins[0]"); name != "ops" || err != nil {
		t.Error(name, err)
	}
	_, err := names.Take("ops", "access.ops")
	failure, is := FailureOf(err)
	if !is || failure.Code != Invalid || failure.Message != "admins[0] and access.ops are the same access entry (ops); remove one of them" {
		t.Error(err)
	}
}

func TestPointersAndTags(t *testing.T) {
	if pointer := Pointer("access", "a/b~c", 0); pointer != "/access/a~1b~0c/0" {
		t.Error(pointer)
	}
	tags := Tags(map[string]string{"b": "2", "a": "1"})
	if len(tags) != 2 || tags[0].F0 != "a" || tags[1].F1 != "2" {
		t.Error(tags)
	}
}

func TestAStepSaysWhatItIs(t *testing.T) {
	step()
	said := export.Describe()
	if said.Summary != "A bucket." || said.Needs[0] != "cloud-control:AWS::SNS::Topic" || len(said.Outputs) != 2 || said.Outputs[0].Sensitive || !said.Outputs[1].Sensitive {
		t.Error(said)
	}
	rule := `{"type": "object", "additionalProperties": false, "required": [], "properties": {
		"days": {"type": "integer", "minimum": 1, "default": 30, "description": "Days."},
		"sort": {"type": "string", "enum": ["keep", "drop"], "default": "keep"}}}`
	expected := `{"type": "object", "additionalProperties": false, "required": ["bucket"], "properties": {
		"bucket": {"type": "string", "description": "Its name.", "pattern": "^[a-z]+$"},
		"rules": {"type": "array", "items": ` + rule + `, "default": []},
		"tags": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}},
		"ratio": {"type": "number"},
		"any": {"default": null}}}`
	var found, wanted any
	if err := errors.Join(json.Unmarshal([]byte(said.ConfigSchema), &found), json.Unmarshal([]byte(expected), &wanted)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(found, wanted) {
		t.Error(said.ConfigSchema)
	}
}

func TestAStepRunsAndSaysWhatIsWrong(t *testing.T) {
	step()
	for _, one := range []struct{ config, outputs, failure string }{
		{`{"bucket": "b", "rules": [{"days": 30, "sort": "keep"}]}`, `{"arn":"b","rest":[{"days":30,"sort":"keep"}]}`, ""},
		{`{"bucket": "b", "rules": []}`, `{"arn":"b","rest":[]}`, ""},
		{`{"bucket": "nothing"}`, `{}`, ""},
		{`{"bucket": "fail"}`, "", "4 the bucket: it is there"},
		{`{"bucket": "wrong"}`, "", "0 no such bucket"},
		{`{"bucket": "<<a#id>>", "rules": [{"days": 30, "sort": "<<a#sort>>"}]}`, `{"arn":"<<a#id>>","rest":[{"days":30,"sort":"<<a#sort>>"}]}`, ""},
		{`{"bucket": "b", "rules": [{"days": "<<a#days>>"}]}`, "", "0 rules.days is known when the plan is applied; only a text can wait for that"},
		{`{"bucket": 3}`, "", "0 bucket must be string, and is a JSON number"},
		{`{"bucket": "b", "rules": [{"days": -1}]}`, "", "0 rules.days must be uint32"},
		{`{"bucket": "b", "buckt": 1}`, "", `unknown field "buckt"`},
	} {
		result := export.Run(one.config)
		said := fmt.Sprint(result.Err().Code, " ", result.Err().Message)
		if result.Ok() != one.outputs || (one.failure != "" && !strings.Contains(said, one.failure)) {
			t.Errorf("%s: %s, %s", one.config, result.Ok(), said)
		}
	}
}

func TestATypeThatNoOptionCanHaveIsTold(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "wrong.When: chan int is no type of an option") {
			t.Error(said)
		}
	}()
	type wrong struct{ When chan int }
	schema.Of(reflect.TypeFor[wrong](), "the configuration")
}
