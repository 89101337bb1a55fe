package render

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const head = "apiVersion: v2\nname: a\nversion: 0.1.0\n"

// files are a chart in memory: its files' paths and texts in turn. Chart.yaml is there where it is not stated.
func files(parts ...string) memory {
	chart := memory{"Chart.yaml": head}
	for i := 0; i < len(parts); i += 2 {
		chart[parts[i]] = parts[i+1]
	}
	return chart
}

type memory map[string]string

func (m memory) List() ([]Entry, error) {
	entries := []Entry{}
	for path, text := range m {
		entries = append(entries, Entry{path, uint64(len(text))})
	}
	return entries, nil
}
func (m memory) Read(path string) ([]byte, error) { return []byte(m[path]), nil }

func rendered(t *testing.T, chart memory, values map[string]any, change func(*Options)) (*Rendered, error) {
	t.Helper()
	loaded, err := LoadFolder(chart)
	if err != nil {
		return nil, err
	}
	options := Options{Release: "r", Namespace: "n", IncludeCRDs: true}
	if change != nil {
		change(&options)
	}
	return Chart(loaded, MergeValues(values), options)
}

func objects(t *testing.T, chart memory, values map[string]any, choices Choices) (*Objects, error) {
	t.Helper()
	done, err := rendered(t, chart, values, nil)
	if err != nil {
		t.Fatal(err)
	}
	choices.Namespace, choices.Values = "n", values
	return done.Objects(choices)
}

func object(kind, name, more string) string {
	version := map[string]string{"Job": "batch/v1", "Deployment": "apps/v1"}[kind]
	if version == "" {
		version = "v1"
	}
	return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n%s", version, kind, name, more)
}

func hook(events, weight string) string {
	return fmt.Sprintf("  annotations:\n    helm.sh/hook: %s\n    helm.sh/hook-weight: %q\n", events, weight)
}

func TestObjectsComeInHelmsOrder(t *testing.T) {
	made, err := objects(t, files(
		"crds/c.yaml", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  creationTimestamp: null\n  name: ws.x.org\nspec: {group: x.org, scope: Cluster, names: {kind: W}}\nstatus: {}\n",
		"templates/all.yaml", object("Deployment", "d", "")+object("Service", "s", "")+object("ConfigMap", "c", "  namespace: other\n")+
			"---\napiVersion: x.org/v1\nkind: W\nmetadata: {name: w}\n---\napiVersion: y.org/v1\nkind: ClusterThing\nmetadata: {name: t}\n---\napiVersion: y.org/v1\nkind: Thing\nmetadata: {name: t}\n",
		"templates/hooks.yaml", object("Job", "late", hook("post-install", "0"))+object("Job", "second", hook("pre-install,pre-upgrade", "5"))+
			object("ServiceAccount", "first", hook("pre-install", "-5"))+object("Pod", "test", hook("test", "0"))+
			object("Job", "up", hook("post-upgrade", "0"))+object("Job", "gone", hook("pre-delete", "0")),
	), nil, Choices{})
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, one := range made.All {
		found = append(found, fmt.Sprint(one.Stage, " ", one.Identity, " ", one.Runs))
	}
	wanted := []string{
		"0 CustomResourceDefinition.ws.x.org false", "1 ServiceAccount.n.first false", "1 Job.n.second true",
		"2 ConfigMap.other.c false", "2 Service.n.s false", "2 Deployment.n.d false",
		"2 ClusterThing.y.org.t false", "2 Thing.y.org.n.t false", "2 W.x.org.w false", "3 Job.n.late true",
	}
	if !slices.Equal(found, wanted) {
		t.Error(strings.Join(found, "\n"))
	}
	if crd := made.All[0].Manifest; crd["status"] != nil || len(crd["metadata"].(map[string]any)) != 1 {
		t.Error("what generators leave goes", crd)
	}
	if len(made.LeftOut) != 3 || made.LeftOut[0].What != "Pod test" || made.LeftOut[0].Why != "it is a test" {
		t.Error(made.LeftOut)
	}
}

func TestSecretsOfTheFileGoBelowStringData(t *testing.T) {
	handle := "<<secret:key>>"
	chart := files("templates/s.yaml", object("Secret", "s", "data:\n  a: {{ .Values.key | b64enc }}\n  b: {{ printf \"Bearer %s\" .Values.key | b64enc | quote }}\nstringData: {c: '{{ .Values.key }}'}\n"))
	made, err := objects(t, chart, map[string]any{"key": handle}, Choices{})
	if err != nil {
		t.Fatal(err)
	}
	given := made.All[0].Manifest["stringData"].(map[string]any)
	if given["a"] != handle || given["b"] != "Bearer "+handle || given["c"] != handle || made.All[0].Manifest["data"] != nil {
		t.Error(made.All[0].Manifest)
	}
	_, err = objects(t, chart, map[string]any{"key": "open"}, Choices{})
	if err == nil || !strings.Contains(err.Error(), "a/templates/s.yaml: a, b, c of Secret Secret.n.s: plain text would stand in the plan") {
		t.Error(err)
	}
	if made, err := objects(t, chart, map[string]any{"key": "open"}, Choices{LeaveOut: []string{"Secret/s"}}); err != nil || len(made.All) != 0 {
		t.Error(made, err)
	}
	if _, err := objects(t, chart, map[string]any{"key": handle}, Choices{LeaveOut: []string{"Secret/t"}}); err == nil {
		t.Error("what names nothing is a mistake")
	}
	_, err = objects(t, files("templates/c.yaml", object("ConfigMap", "c", "data: {a: '{{ .Values.key | b64enc }}'}\n")), map[string]any{"key": handle}, Choices{})
	if err == nil || !strings.Contains(err.Error(), "may stand in a Secret alone") {
		t.Error(err)
	}
}

func TestTokensSurviveJSONInATemplate(t *testing.T) {
	token := "<<network/ec2.vpc/main#id>>"
	made, err := objects(t, files("templates/c.yaml", object("ConfigMap", "c", "data:\n  json: {{ .Values.a | toJson | quote }}\n  yaml: {{ toYaml .Values.a | quote }}\n")),
		map[string]any{"a": map[string]any{"id": token, "other": "<b>"}}, Choices{})
	if err != nil {
		t.Fatal(err)
	}
	data := made.All[0].Manifest["data"].(map[string]any)
	if data["json"] != `{"id":"`+token+`","other":"\u003cb\u003e"}` || !strings.Contains(data["yaml"].(string), token) {
		t.Error(data)
	}
}

func TestWhatAPlanHasNoAnswerToIsRefusedOrTold(t *testing.T) {
	for name, one := range map[string]struct {
		template, wrong string
		change          func(*Options)
	}{
		"random": {`{{ randAlphaNum 8 }}`, "randAlphaNum makes something up", func(o *Options) { o.Functions.Random = Refuse }},
		"ca":     {`{{ (genCA "a" 1).Cert | quote }}`, "genCA makes something up", func(o *Options) { o.Functions.Random = Refuse }},
		"lookup": {`{{ lookup "v1" "Secret" "n" "s" }}`, "lookup asks the cluster for v1 Secret n/s", func(o *Options) { o.Functions.Lookup = Refuse }},
		"unknown": {`{{ "<<x>>" | sha256sum }}`, "sha256sum is worked out from a value that is not known yet (<<x>>)", func(o *Options) {
			o.Functions.IsUnknown = func(text string) bool { return strings.Contains(text, "<<") }
		}},
	} {
		chart := files("templates/a.yaml", "# one\n# {{ \"two\" }}\na: "+one.template+"\n")
		_, err := rendered(t, chart, nil, one.change)
		if err == nil || !strings.Contains(err.Error(), "a/templates/a.yaml:3:") || !strings.Contains(err.Error(), one.wrong) {
			t.Errorf("%s: %v", name, err)
		}
		done, err := rendered(t, chart, nil, nil)
		if err != nil || (name == "lookup" && !slices.Equal(done.Used.Lookups, []string{"v1 Secret n/s"})) || (name == "random" && !slices.Equal(done.Used.Random, []string{"randAlphaNum"})) {
			t.Errorf("%s: %v %v", name, done, err)
		}
	}
	done, err := rendered(t, files("templates/a.yaml", `a: {{ now | date "2006" }}`), nil, func(o *Options) { o.Functions.Now = time.Unix(0, 0).UTC() })
	if err != nil || !done.Used.Now || done.Manifests[0].Text != "a: 1970" {
		t.Error(done, err)
	}
}

func TestErrorsSayWhereAndWhatToDo(t *testing.T) {
	for name, one := range map[string]struct {
		chart  memory
		values map[string]any
		wrong  []string
	}{
		"a template": {files("templates/a.yaml", "a: 1\nb: {{ .Values.x.y.z }}\n"), nil, []string{"a/templates/a.yaml:2:", "nil pointer"}},
		"syntax":     {files("templates/a.yaml", "a: 1\nb: {{ if }}\n"), nil, []string{"a/templates/a.yaml:2", "missing value for if"}},
		"an include": {files("templates/_h.tpl", `{{ define "x" }}{{ .Values.a.b.c }}{{ end }}`, "templates/a.yaml", `{{ include "x" . }}`),
			nil, []string{"a/templates/_h.tpl:1:", "a/templates/a.yaml:1:3", "nil pointer"}},
		"endless": {files("templates/_h.tpl", `{{ define "x" }}{{ include "x" . }}{{ end }}`, "templates/a.yaml", `{{ include "x" . }}`),
			nil, []string{"nested reference name: x", "called from a/templates/a.yaml:1:3"}},
		"required": {files("templates/a.yaml", `{{ required "x is needed" .Values.x }}`), nil, []string{"a/templates/a.yaml:1:", "x is needed"}},
		"YAML":     {files("templates/a.yaml", "a: 1\nb: c: d\ne: 2\n"), nil, []string{"a/templates/a.yaml", ">    2 | b: c: d"}},
		"schema": {files("values.schema.json", `{"properties": {"n": {"type": "integer"}}}`), map[string]any{"n": "x"},
			[]string{"at '/n': got string, want integer"}},
		"subchart": {files("Chart.yaml", head+"dependencies: [{name: b, version: 1.x.x}]\n"), nil, []string{"not in its folder charts: b", "helm dependency build"}},
		"library":  {files("Chart.yaml", head+"type: library\n"), nil, []string{"a library chart"}},
		"version":  {files("Chart.yaml", head+"kubeVersion: <1.20.0\n"), nil, []string{"is for Kubernetes <1.20.0"}},
		"v3":       {files("Chart.yaml", "apiVersion: v3\nname: a\nversion: 0.1.0\n"), nil, []string{"apiVersion v3 are not supported"}},
		"no chart": {memory{"a": "b"}, nil, []string{"Chart.yaml file is missing"}},
	} {
		_, err := rendered(t, one.chart, one.values, nil)
		for _, part := range one.wrong {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q in %v", name, part, err)
			}
		}
	}
	for name, one := range map[string]struct{ text, wrong string }{
		"no kind": {"apiVersion: v1\nmetadata: {name: a}\n", "has no kind"},
		"no name": {"apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n", "no metadata.name"},
		"text":    {"hello\n", "no Kubernetes object"},
		"twice":   {object("Pod", "a", "") + object("Pod", "a", ""), "both make the Pod a"},
	} {
		done := &Rendered{Manifests: []Document{{"a/templates/a.yaml", one.text}}}
		if _, err := done.Objects(Choices{Namespace: "n"}); err == nil || !strings.Contains(err.Error(), one.wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatHelmignoreNamesIsNotRead(t *testing.T) {
	done, err := rendered(t, files(".helmignore", "secret/\n*.bak\n", "secret/a.txt", "x", "b.bak", "x", "templates/a.yaml",
		`found: {{ range $path, $_ := .Files.Glob "**" }}{{ $path }} {{ end }}`, "kept.txt", "x"), nil, nil)
	if err != nil || !strings.Contains(done.Manifests[0].Text, "found: .helmignore kept.txt ") {
		t.Error(err, done)
	}
}

func TestBase64OfWhatIsKnownIsHelms(t *testing.T) {
	done, err := rendered(t, files("templates/a.yaml", `a: {{ "x" | b64enc }}`), nil, nil)
	if err != nil || done.Manifests[0].Text != "a: "+base64.StdEncoding.EncodeToString([]byte("x")) {
		t.Error(err, done)
	}
}

// packed is an archive with these entries.
func packed(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var data bytes.Buffer
	zipped := gzip.NewWriter(&data)
	archive := tar.NewWriter(zipped)
	for _, entry := range entries {
		if err := archive.WriteHeader(&entry); err != nil {
			t.Fatal(err)
		}
		zeros := make([]byte, 1<<20)
		for left := entry.Size; left > 0; left -= int64(len(zeros)) {
			if _, err := archive.Write(zeros[:min(left, int64(len(zeros)))]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if archive.Close() != nil || zipped.Close() != nil {
		t.Fatal("in memory")
	}
	return data.Bytes()
}

func TestHostileArchivesAreRefused(t *testing.T) {
	file := func(name string, size int64) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: size}
	}
	endless := make([]tar.Header, 250_000)
	for i := range endless {
		endless[i] = file("a/x", 0)
	}
	for name, one := range map[string]struct {
		data  []byte
		wrong string
	}{
		"a path that leads up":   {packed(t, file("a/../../x", 1)), "illegally references parent directory"},
		"an absolute path":       {packed(t, file("a//etc/passwd", 1)), "absolute paths"},
		"a link":                 {packed(t, tar.Header{Name: "a/values.yaml", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), "a/values.yaml in it is a link or a device"},
		"a hard link":            {packed(t, tar.Header{Name: "a/x", Typeflag: tar.TypeLink, Linkname: "a/y"}), "a/x in it is a link or a device"},
		"a bomb":                 {packed(t, file("a/x", 101<<20)), "unpacks to more than 100 MiB"},
		"a bomb of empty files":  {packed(t, endless...), "unpacks to more than 100 MiB"},
		"no archive":             {[]byte("hello"), "it is no packed chart"},
		"an archive of no chart": {packed(t, file("a/x", 1)), "Chart.yaml file is missing"},
	} {
		if _, err := LoadArchive(one.data); err == nil || !strings.Contains(err.Error(), one.wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheAnnotationKeepIsReadAsHelmReadsIt(t *testing.T) {
	annotated := func(policy string) string { return "  annotations:\n    helm.sh/resource-policy: \"" + policy + "\"\n" }
	made, err := objects(t, files("templates/all.yaml", object("ConfigMap", "a", annotated(" Keep "))+object("ConfigMap", "b", annotated("delete"))+object("ConfigMap", "c", "")), nil, Choices{})
	if err != nil {
		t.Fatal(err)
	}
	if !made.KeepsIn("n") || made.KeepsIn("m") {
		t.Error("a stays in the namespace n")
	}
	for i, kept := range []bool{true, false, false} {
		if made.All[i].IsKept() != kept {
			t.Error(made.All[i])
		}
	}
}
