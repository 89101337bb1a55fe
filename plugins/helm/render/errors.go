package render

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"
)

var lineOfYAML = regexp.MustCompile(`yaml: line (\d+):`)

// shown adds to an error of a manifest the lines that it is about. Its number counts lines of the rendered text, which nobody has
// in front of them.
func shown(err error, files map[string]string) error {
	for name, text := range files {
		if !strings.Contains(err.Error(), name) {
			continue
		}
		for _, document := range releaseutil.SplitManifests(text) {
			var any any
			wrong := yaml.Unmarshal([]byte(document), &any)
			if wrong == nil {
				continue
			}
			return fmt.Errorf("%w\n%s", err, excerpt(document, wrong))
		}
	}
	return err
}

// excerpt is the lines of a document around the one that an error names.
func excerpt(document string, err error) string {
	at := lineOfYAML.FindStringSubmatch(err.Error())
	if at == nil {
		return ""
	}
	number, _ := strconv.Atoi(at[1])
	lines := strings.Split(document, "\n")
	var text strings.Builder
	for i := max(1, number-2); i <= min(len(lines), number+2); i++ {
		mark := " "
		if i == number {
			mark = ">"
		}
		fmt.Fprintf(&text, "%s %4d | %s\n", mark, i, lines[i-1])
	}
	return strings.TrimRight(text.String(), "\n")
}

// called is how Go's templates begin the error of a call: where it stands, and what it calls.
var called = regexp.MustCompile(`^template: (\S+:\d+:\d+): executing ".*?" at <.*?>: (?:error calling \w+: )?`)

// mostCalls are the callers that an error names: templates that include each other have a thousand.
const mostCalls = 4

// placed puts the place of an error of a template first, then what it is, then who called. Go's templates have the callers first.
func placed(err error) error {
	message, places := err.Error(), []string{}
	for {
		found := called.FindStringSubmatch(message)
		if found == nil {
			break
		}
		places, message = append(places, found[1]), message[len(found[0]):]
	}
	if len(places) == 0 {
		return err
	}
	slices.Reverse(places)
	callers := slices.Compact(places[1:])
	text := places[0] + ": " + message
	for _, caller := range callers[:min(mostCalls, len(callers))] {
		text += "\n  called from " + caller
	}
	if more := len(callers) - mostCalls; more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return errors.New(text)
}
