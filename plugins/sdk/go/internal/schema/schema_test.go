package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

type login struct {
	User     string `json:"user"`
	Password string `json:"password" writeOnly:"true" default:""`
}

type common struct {
	Labels map[string]string `json:"labels" default:"{}"`
}

type declared struct {
	common
	Title  string  `json:"title"`
	Note   *string `json:"note"`
	Login  *login  `json:"login"`
	Others []login `json:"others" default:"[]"`
	Hidden string  `json:"-"`
}

func tree(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(text, err)
	}
	return value
}

func TestASchemaHasNestedEmbeddedAndSecretFields(t *testing.T) {
	text, err := Encode(Of(reflect.TypeFor[declared](), "a spec"))
	if err != nil {
		t.Fatal(err)
	}
	login := `{"type": "object", "additionalProperties": false, "required": ["user"], "properties": {
		"user": {"type": "string"}, "password": {"type": "string", "default": "", "writeOnly": true}}}`
	expected := `{"type": "object", "additionalProperties": false, "required": ["title"], "properties": {
		"labels": {"type": "object", "additionalProperties": {"type": "string"}, "default": {}},
		"title": {"type": "string"}, "note": {"type": "string"}, "login": ` + login + `,
		"others": {"type": "array", "items": ` + login + `, "default": []}}}`
	if !reflect.DeepEqual(tree(t, text), tree(t, expected)) {
		t.Error(text)
	}
}

func TestATagThatSaysNeitherIsTold(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, `Key: the tag writeOnly is "yes"; write writeOnly:"true"`) {
			t.Error(said)
		}
	}()
	type wrong struct {
		Key string `writeOnly:"yes"`
	}
	Of(reflect.TypeFor[wrong](), "a spec")
}

func TestASpecIsWhatItsSchemaTakes(t *testing.T) {
	note := "<b>"
	for _, one := range []struct {
		value any
		json  string
	}{
		{declared{Title: "a"}, `{"labels":{},"others":[],"title":"a"}`},
		{declared{Note: &note, Others: []login{{User: "u"}}}, `{"labels":{},"note":"<b>","others":[{"password":"","user":"u"}],"title":""}`},
		{map[string]any{"a": nil, "b": &declared{}, "n": 3}, `{"a":null,"b":{"labels":{},"others":[],"title":""},"n":3}`},
		{struct{ Raw json.RawMessage }{json.RawMessage(`[1]`)}, `{"Raw":[1]}`},
		{nil, `null`},
	} {
		text, err := Encode(Spec(one.value))
		if text != one.json || err != nil {
			t.Errorf("%s is not %s: %v", text, one.json, err)
		}
	}
}

func TestWhatIsWriteOnlyStaysAsItIsKnown(t *testing.T) {
	for _, one := range []struct{ seen, known, kept string }{
		{`{"login": {"user": "u", "password": "told"}}`, `{"login": {"user": "v", "password": "<<secret:p>>"}}`, `{"login": {"user": "u", "password": "<<secret:p>>"}}`},
		{`{"login": {"user": "u", "password": "told"}}`, `{}`, `{"login": {"user": "u"}}`},
		{`{"others": [{"password": "a"}, {"password": "b"}]}`, `{"others": [{"password": "c"}]}`, `{"others": [{"password": "c"}, {}]}`},
		{`{"title": "a"}`, `{"title": "b", "login": {"password": "p"}}`, `{"title": "a"}`},
	} {
		seen := tree(t, one.seen)
		Keep(reflect.TypeFor[declared](), seen, tree(t, one.known))
		if !reflect.DeepEqual(seen, tree(t, one.kept)) {
			t.Errorf("%s, %s: %v", one.seen, one.known, seen)
		}
	}
	seen := tree(t, `{"a": {"password": "told"}}`)
	Keep(reflect.TypeFor[map[string]login](), seen, tree(t, `{"a": {"password": "known"}}`))
	if !reflect.DeepEqual(seen, tree(t, `{"a": {"password": "known"}}`)) {
		t.Error(seen)
	}
}
