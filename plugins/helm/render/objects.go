package render

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	release "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"sigs.k8s.io/yaml"
)

// Stage is when an object is made.
type Stage int

// The stages, in their order. Nothing of a stage is made before all of the one before it is there.
const (
	// Definitions are those of crds/.
	Definitions Stage = iota
	// Before are hooks of pre-install.
	Before
	// Main is everything that is no hook.
	Main
	// After are hooks of post-install.
	After
)

// Object is a Kubernetes object that a chart makes.
type Object struct {
	// Identity is the same in every run: `Deployment.shop.web`.
	Identity string
	// Manifest is the object. Its namespace is stated where it has one.
	Manifest map[string]any
	// Source is the file in the chart.
	Source string
	Stage  Stage
	// Runs says that it is a hook that is there to end: a Job or a Pod.
	Runs bool
}

// ResourcePolicy is the annotation of what stays when its chart goes.
const ResourcePolicy = "helm.sh/resource-policy"

// IsKept says whether the object stays when it leaves the chart. The host leaves it in the cluster then.
func (o Object) IsKept() bool {
	metadata, _ := o.Manifest["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	return strings.EqualFold(strings.TrimSpace(text(annotations, ResourcePolicy)), "keep")
}

// KeepsIn says whether an object stays in a namespace.
func (o Objects) KeepsIn(namespace string) bool {
	return slices.ContainsFunc(o.All, func(object Object) bool {
		metadata, _ := object.Manifest["metadata"].(map[string]any)
		return object.IsKept() && text(metadata, "namespace") == namespace
	})
}

// Kind is the object's kind.
func (o Object) Kind() string { return text(o.Manifest, "kind") }

// LeftOut is a hook that is not made, and why.
type LeftOut struct{ What, Source, Why string }

// Objects are what a chart makes, in the order in which Helm makes it.
type Objects struct {
	All     []Object
	LeftOut []LeftOut
}

// Choices are what the user says about objects.
type Choices struct {
	Namespace string
	// ClusterWide are kinds, as `Kind.group`, that belong to no namespace, and that nobody here knows.
	ClusterWide []string
	// LeaveOut are objects that are not made: `Secret/db`.
	LeaveOut []string
	// Values have the tokens that may stand in objects.
	Values any
}

// Objects splits a rendered chart into its objects.
func (r *Rendered) Objects(choices Choices) (*Objects, error) {
	split := splitter{choices: choices, scopes: scopes{map[string]bool{}}, places: map[string]string{}, unescaper: unescaper(choices.Values)}
	for _, kind := range choices.ClusterWide {
		split.scopes.wide[kind] = true
	}
	if err := split.add(r.CRDs, Definitions); err != nil {
		return nil, err
	}
	before, after := split.hooks(r.Hooks, release.HookPreInstall), split.hooks(r.Hooks, release.HookPostInstall)
	split.rest(r.Hooks)
	if err := split.add(before, Before); err != nil {
		return nil, err
	}
	if err := split.add(r.Manifests, Main); err != nil {
		return nil, err
	}
	if err := split.add(after, After); err != nil {
		return nil, err
	}
	if err := split.leaveOut(); err != nil {
		return nil, err
	}
	for i := range split.out.All {
		if err := split.finish(&split.out.All[i]); err != nil {
			return nil, err
		}
	}
	return &split.out, nil
}

type splitter struct {
	choices Choices
	scopes  scopes
	out     Objects
	// unescaper is there where tokens may stand in objects.
	unescaper *strings.Replacer
	// places has the file of each object that was made.
	places map[string]string
}

// hooks are those of an event, in the order in which Helm runs them: by weight, then by kind.
func (s *splitter) hooks(all []*release.Hook, event release.HookEvent) []Document {
	chosen := []*release.Hook{}
	for _, hook := range all {
		isEarlier := event == release.HookPostInstall && slices.Contains(hook.Events, release.HookPreInstall)
		if slices.Contains(hook.Events, event) && !isEarlier {
			chosen = append(chosen, hook)
		}
	}
	// As Helm's hookByWeight: where the weights are the same, by the names, and kinds stay in their order.
	sort.Stable(byWeight(chosen))
	documents := make([]Document, len(chosen))
	for i, hook := range chosen {
		documents[i] = Document{hook.Path, hook.Manifest}
	}
	return documents
}

type byWeight []*release.Hook

func (b byWeight) Len() int      { return len(b) }
func (b byWeight) Swap(i, j int) { b[i], b[j] = b[j], b[i] }
func (b byWeight) Less(i, j int) bool {
	if b[i].Weight == b[j].Weight {
		return b[i].Name < b[j].Name
	}
	return b[i].Weight < b[j].Weight
}

// rest notes the hooks that are not made.
func (s *splitter) rest(all []*release.Hook) {
	for _, hook := range all {
		if slices.Contains(hook.Events, release.HookPreInstall) || slices.Contains(hook.Events, release.HookPostInstall) {
			continue
		}
		why := "it would run when something is deleted or rolled back; nothing of a chart runs then"
		switch {
		case slices.Contains(hook.Events, release.HookTest):
			why = "it is a test"
		case slices.Contains(hook.Events, release.HookPreUpgrade), slices.Contains(hook.Events, release.HookPostUpgrade):
			why = "it would run at upgrades alone; what runs at both is run where it changed"
		}
		s.out.LeftOut = append(s.out.LeftOut, LeftOut{hook.Kind + " " + hook.Name, hook.Path, why})
	}
}

// add reads documents. A file of definitions may have several in one.
func (s *splitter) add(documents []Document, stage Stage) error {
	for _, document := range documents {
		parts := releaseutil.SplitManifests(document.Text)
		keys := slices.Collect(maps.Keys(parts))
		sort.Sort(releaseutil.BySplitManifestsOrder(keys))
		for _, key := range keys {
			if err := s.addOne(document.Source, parts[key], stage); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *splitter) addOne(source, document string, stage Stage) error {
	inJSON, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", source, err, excerpt(document, err))
	}
	var parsed any
	// Numbers stay as they are written: a float has no room for those above 2^53.
	decoder := json.NewDecoder(bytes.NewReader(inJSON))
	decoder.UseNumber()
	if err := decoder.Decode(&parsed); err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	if parsed == nil {
		// Comments alone.
		return nil
	}
	if s.unescaper != nil {
		parsed = replaced(parsed, s.unescaper)
	}
	object, is := parsed.(map[string]any)
	if !is {
		return fmt.Errorf("%s: it renders to something that is no Kubernetes object:\n%s", source, firstLines(document))
	}
	return s.object(source, document, object, stage)
}

func (s *splitter) object(source, document string, object map[string]any, stage Stage) error {
	if items, is := object["items"].([]any); is && strings.HasSuffix(text(object, "kind"), "List") {
		for _, item := range items {
			inner, is := item.(map[string]any)
			if !is {
				return fmt.Errorf("%s: an item of the %s is no Kubernetes object", source, text(object, "kind"))
			}
			if err := s.object(source, document, inner, stage); err != nil {
				return err
			}
		}
		return nil
	}
	for _, needed := range []string{"apiVersion", "kind"} {
		if text(object, needed) == "" {
			return fmt.Errorf("%s: an object has no %s:\n%s", source, needed, firstLines(document))
		}
	}
	metadata, is := object["metadata"].(map[string]any)
	if !is || text(metadata, "name") == "" {
		return fmt.Errorf("%s: a %s has no metadata.name; a name that the cluster makes up (generateName) is no name to know it by", source, text(object, "kind"))
	}
	s.scopes.learn(object)
	kind := text(object, "kind")
	s.out.All = append(s.out.All, Object{
		Manifest: object, Source: source, Stage: stage,
		Runs: (stage == Before || stage == After) && (kind == "Job" || kind == "Pod"),
	})
	return nil
}

// leaveOut takes away what the user does not want. What names nothing is a mistake.
func (s *splitter) leaveOut() error {
	for _, unwanted := range s.choices.LeaveOut {
		is := func(object Object) bool {
			metadata := object.Manifest["metadata"].(map[string]any)
			return object.Kind()+"/"+text(metadata, "name") == unwanted
		}
		if !slices.ContainsFunc(s.out.All, is) {
			return fmt.Errorf("leave_out: the chart makes no %s; write Kind/name, as in Secret/db", unwanted)
		}
		s.out.All = slices.DeleteFunc(s.out.All, is)
	}
	return nil
}

// finish gives an object its namespace and its identity. All definitions have been read by now.
func (s *splitter) finish(object *Object) error {
	metadata := object.Manifest["metadata"].(map[string]any)
	apiVersion, kind := text(object.Manifest, "apiVersion"), object.Kind()
	parts := []string{kind}
	if group, _, grouped := strings.Cut(apiVersion, "/"); grouped && !isKubernetes(group) {
		parts = append(parts, group)
	}
	if s.scopes.isWide(apiVersion, kind) {
		// Helm's client leaves out a namespace that has no meaning.
		delete(metadata, "namespace")
	} else {
		if text(metadata, "namespace") == "" {
			metadata["namespace"] = s.choices.Namespace
		}
		parts = append(parts, text(metadata, "namespace"))
	}
	object.Identity = strings.Join(append(parts, text(metadata, "name")), ".")
	if first, taken := s.places[object.Identity]; taken {
		return fmt.Errorf("%s and %s both make the %s %s; Helm would refuse it as well", first, object.Source, kind, text(metadata, "name"))
	}
	s.places[object.Identity] = object.Source
	tidy(object.Manifest)
	return secret(object)
}

// isKubernetes says whether a group is Kubernetes' own: no two of their kinds that people use have one name.
func isKubernetes(group string) bool {
	switch group {
	case "apps", "batch", "autoscaling", "policy", "extensions":
		return true
	}
	return strings.HasSuffix(group, ".k8s.io") && !strings.HasSuffix(group, ".x-k8s.io") && strings.Count(group, ".") <= 3 && group != "gateway.networking.k8s.io"
}

// tidy takes away what generators of definitions leave, and an API server ignores: an empty status, a time of null.
func tidy(object map[string]any) {
	delete(object, "status")
	clean(object)
}

// clean removes creationTimestamp: null wherever metadata stands.
func clean(value any) {
	switch value := value.(type) {
	case map[string]any:
		if metadata, is := value["metadata"].(map[string]any); is {
			if stamp, there := metadata["creationTimestamp"]; there && stamp == nil {
				delete(metadata, "creationTimestamp")
			}
		}
		for _, inner := range value {
			clean(inner)
		}
	case []any:
		for _, inner := range value {
			clean(inner)
		}
	}
}

// secret moves what a Secret holds below stringData where it is the handle of a secret: there the host puts the value in. A value
// that stands in the chart would be in the plan and in the state, which the host refuses.
func secret(object *Object) error {
	where := func(what string) string {
		return fmt.Sprintf("%s: %s of Secret %s", object.Source, what, object.Identity)
	}
	if object.Kind() != "Secret" || text(object.Manifest, "apiVersion") != "v1" {
		if marked(object.Manifest) {
			return fmt.Errorf("%s: %s holds a secret of the file; a secret may stand in a Secret alone, where everybody cannot read it", object.Source, object.Identity)
		}
		return nil
	}
	given := map[string]any{}
	if stringData, is := object.Manifest["stringData"].(map[string]any); is {
		given = stringData
	}
	data, _ := object.Manifest["data"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if _, there := given[key]; there {
			// stringData is what counts.
			continue
		}
		value, _ := data[key].(string)
		if inner, is := strings.CutPrefix(value, encodedHandle); is && strings.HasSuffix(inner, encodedEnd) {
			given[key] = strings.TrimSuffix(inner, encodedEnd)
			continue
		}
		content, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return fmt.Errorf("%s: it is not in base64: %w", where("'"+key+"'"), err)
		}
		given[key] = string(content)
	}
	open := []string{}
	for key, value := range given {
		if value, is := value.(string); !is || !onlyHandles.MatchString(value) {
			open = append(open, key)
		}
	}
	if len(open) > 0 {
		slices.Sort(open)
		name := text(object.Manifest["metadata"].(map[string]any), "name")
		return fmt.Errorf("%s: plain text would stand in the plan and in the state. Give the chart ${secrets.NAME} for these values; or the name of a Secret that is in the cluster (most charts have a value such as existingSecret); or leave the object out, by leave_out = [\"Secret/%s\"]", where(strings.Join(open, ", ")), name)
	}
	delete(object.Manifest, "data")
	if len(given) > 0 {
		object.Manifest["stringData"] = given
	}
	return nil
}

// marked says whether an encoded handle stands somewhere.
func marked(value any) bool {
	switch value := value.(type) {
	case string:
		return strings.Contains(value, encodedHandle)
	case []any:
		return slices.ContainsFunc(value, marked)
	case map[string]any:
		for _, inner := range value {
			if marked(inner) {
				return true
			}
		}
	}
	return false
}

func text(object map[string]any, key string) string {
	value, _ := object[key].(string)
	return value
}

func firstLines(document string) string {
	lines := strings.SplitN(document, "\n", 6)
	return strings.TrimRight(strings.Join(lines[:min(5, len(lines))], "\n"), "\n")
}
