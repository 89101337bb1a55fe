package render

import (
	"fmt"
	"regexp"
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
