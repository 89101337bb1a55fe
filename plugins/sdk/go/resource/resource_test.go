package resource

import (
	"strings"
	"testing"
)

func TestAnOutputIsAValueOrAToken(t *testing.T) {
	isKnown := func(text string) bool { return !strings.Contains(text, "<<") }
	if serial, err := decoded[int]("serial", "7", isKnown); serial != 7 || err != nil {
		t.Error(serial, err)
	}
	for _, text := range []string{`"<<a#serial>>"`, "7"} {
		if serial, err := decoded[any]("serial", text, isKnown); serial == nil || err != nil {
			t.Error(serial, err)
		}
	}
	for text, part := range map[string]string{`"a"`: "is not what the plugin expects", `"<<a#serial>>"`: "not known while planning"} {
		if _, err := decoded[int]("serial", text, isKnown); err == nil || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), "'serial'") {
			t.Error(text, err)
		}
	}
}
