// The objects of a Helm chart in a cluster.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"llmhost.dev/plugin"
	"llmhost.dev/plugin/kube"
	"llmhost.dev/plugin/log"

	"helm/render"
)

func init() {
	plugin.Export(plugin.Step[Config]{
		Summary: "The objects of a Helm chart, rendered by Helm's own packages and made one by one.",
		Outputs: []plugin.Output{
			plugin.Text("chart", "Name and version of the chart"),
			plugin.Text("app_version", "Version of what the chart installs, or an empty text"),
			plugin.Text("namespace", "Namespace of the release"),
			plugin.Text("notes", "The chart's NOTES.txt, rendered, or an empty text"),
			plugin.Array("objects", "What it makes, as Kind.namespace.name, in the order in which it is made"),
			plugin.Text("rendered_sha256", "SHA-256 of what helm template writes for the same values; null while they are not known"),
		},
		Run: run,
	})
}

func run(config Config) (plugin.Outputs, error) {
	target, err := config.target()
	if err != nil {
		return nil, err
	}
	loaded, values, err := config.load()
	if err != nil {
		return nil, err
	}
	if loaded.Metadata.Deprecated {
		log.Write(log.LevelWarn, fmt.Sprintf("the chart %s is deprecated", loaded.Name()))
	}
	about, appVersion := fmt.Sprintf("%s-%s", loaded.Name(), loaded.Metadata.Version), loaded.Metadata.AppVersion
	options, err := config.rendering()
	if err != nil {
		return nil, err
	}
	rendered, err := render.Chart(loaded, values, options)
	if err != nil {
		return nil, fmt.Errorf("the chart %s does not render: %w", about, err)
	}
	config.say(rendered.Used)
	objects, err := rendered.Objects(config.choices())
	if err != nil {
		return nil, err
	}
	for _, one := range objects.LeftOut {
		log.Write(log.LevelInfo, fmt.Sprintf("the hook %s (%s) is left out: %s", one.What, one.Source, one.Why))
	}
	names, err := declare(config, target, objects)
	if err != nil {
		return nil, err
	}
	return plugin.Outputs{
		"chart": about, "app_version": appVersion, "namespace": config.Namespace,
		"notes": rendered.Notes, "objects": names, "rendered_sha256": config.digest(rendered.Text()),
	}, nil
}

// load is the chart and the values that the step gives it.
func (c Config) load() (*chart.Chart, map[string]any, error) {
	loaded, err := c.loadChart()
	if err != nil {
		return nil, nil, err
	}
	values := []map[string]any{}
	for _, name := range c.ValueFiles {
		data, err := readFile(name)
		if err != nil {
			return nil, nil, err
		}
		some, err := render.LoadValues(name, data)
		if err != nil {
			return nil, nil, err
		}
		values = append(values, some)
	}
	return loaded, render.MergeValues(append(values, c.Values)...), nil
}

// say tells the user what the chart asked that a plan has no answer to.
func (c Config) say(used render.Used) {
	if len(used.Lookups) > 0 {
		log.Write(log.LevelWarn, fmt.Sprintf("the chart looks into the cluster while it renders (%s) and is told that there is nothing, as by helm template; lookup = \"refuse\" makes this an error", strings.Join(used.Lookups, ", ")))
	}
	if used.Now && c.Now == defaultNow {
		log.Write(log.LevelWarn, fmt.Sprintf("the chart uses the time, which is the same in every run: %s; set it with now", c.Now))
	}
	if len(used.Random) > 0 {
		log.Write(log.LevelWarn, fmt.Sprintf("the chart makes something up with %s, which is the same in every run and for everybody: nothing of it is a secret", strings.Join(used.Random, ", ")))
	}
}

// declare declares the objects: each stage after the one before it, hooks one after another as Helm runs them.
func declare(config Config, target kube.Target, objects *render.Objects) ([]string, error) {
	names, made := plugin.NewNames("object"), []string{}
	apply := func(identity string, manifest map[string]any, source string, wait bool, after []string) (string, error) {
		name, err := names.Take(identity, source)
		if err != nil {
			return "", err
		}
		object, err := kube.ObjectDeclare(name, kube.ObjectSpec{
			Target: target, Manifest: plugin.JSON(manifest), Adopt: config.Adopt, ForceConflicts: config.ForceConflicts,
			Wait: wait, WaitMinutes: config.WaitMinutes,
		}, plugin.Options{After: after})
		if err != nil {
			return "", fmt.Errorf("%s (%s): %w", identity, source, err)
		}
		made = append(made, identity)
		return object.Address(), nil
	}
	// What the next object comes after, and what those of its stage are.
	var after, stage []string
	if config.CreateNamespace {
		metadata := map[string]any{"name": config.Namespace}
		if objects.KeepsIn(config.Namespace) {
			// What stays in a namespace would go with it.
			metadata["annotations"] = map[string]any{render.ResourcePolicy: "keep"}
		}
		manifest := map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
		address, err := apply("Namespace."+config.Namespace, manifest, "create_namespace", false, nil)
		if err != nil {
			return nil, err
		}
		after = []string{address}
	}
	for i, object := range objects.All {
		if i > 0 && object.Stage != objects.All[i-1].Stage && len(stage) > 0 {
			after, stage = stage, nil
		}
		isHook := object.Stage == render.Before || object.Stage == render.After
		// Custom objects need their definitions, and what comes after a hook that runs needs it to have ended.
		wait := object.Runs || object.Stage == render.Definitions || object.Kind() == "CustomResourceDefinition" ||
			(config.Wait && !isHook && (object.Kind() != "Job" || config.WaitForJobs))
		address, err := apply(object.Identity, object.Manifest, object.Source, wait, after)
		if err != nil {
			return nil, err
		}
		if isHook {
			// Hooks run one after another; the last one has all others before it.
			after, stage = []string{address}, []string{address}
		} else {
			stage = append(stage, address)
		}
	}
	return made, nil
}

// digest is that of what was rendered, and nothing where a value is not known: its token may stand in the text in any form.
func (c Config) digest(text string) any {
	if isUnknown(plugin.JSON(c.Values)) {
		return nil
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func main() {}
